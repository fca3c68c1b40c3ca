/* The testbed's side of a guest: one static program, so that fifty emulated guests pay for no interpreter. */
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <sys/types.h>

#define GUEST "/usr/lib/testbed/guest"

int boot(void);     /* process 1 in the initrd: kernel modules, then the root */
int serve(void);    /* process 1 in the root: reaps, and runs what comes through the channel */
int identify(void); /* lines KEY=VALUE on stdin make this guest another one */
int hold(const char *file); /* a file whose readers wait until they are let in */

int complain(const char *what); /* says `what` and errno on stderr; 1 */
int make_folder(const char *path); /* one that is there is fine */
int write_file(const char *path, const void *content, size_t size, mode_t mode); /* `mode`: of a new one */

#endif
