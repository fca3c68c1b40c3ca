/* Loaded before Orthanc in a guest (LD_PRELOAD): DCMTK's dictionary is read before main.
 *
 * Orthanc reads its configuration, then clears the dictionary and reads the very same files again: most of what it does
 * until its port is open. A golden guest is saved when the configuration is opened, so what comes before is done once
 * for all of its clones. Here the files are read before main, and the program's own clearing and reading of them is
 * left out. A program without DCMTK, or with one that has other names, runs as it would without this.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>

typedef int main_function(int, char **, char **);

static bool warm, spared;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* DcmDataDictionary::loadDictionary(const char *, bool) */
bool _ZN17DcmDataDictionary14loadDictionaryEPKcb(void *self, const char *file, bool must)
{
    bool (*load)(void *, const char *, bool) = next("_ZN17DcmDataDictionary14loadDictionaryEPKcb");
    return spared || load(self, file, must);
}

/* DcmDataDictionary::clear() */
void _ZN17DcmDataDictionary5clearEv(void *self)
{
    void (*clear)(void *) = next("_ZN17DcmDataDictionary5clearEv");
    if (warm && !spared)
        spared = true;
    else
        clear(self);
}

/* Whoever first locks the global dictionary, by GlobalDcmDataDictionary::wrlock(), has it read. */
static void read_dictionary(void)
{
    void *dictionary = dlsym(RTLD_DEFAULT, "dcmDataDict");
    void (*lock)(void *) = dlsym(RTLD_DEFAULT, "_ZN23GlobalDcmDataDictionary6wrlockEv");
    void (*unlock)(void *) = dlsym(RTLD_DEFAULT, "_ZN23GlobalDcmDataDictionary8wrunlockEv");
    if (!dictionary || !lock || !unlock)
        return;
    lock(dictionary);
    unlock(dictionary);
    warm = true;
}

/* Called by every program's first instructions, when the constructors of all its libraries have run. */
int __libc_start_main(main_function *program, int argc, char **argv, void (*begin)(void), void (*end)(void),
                      void (*unlink)(void), void *stack)
{
    int (*start)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
        next("__libc_start_main");
    read_dictionary();
    return start(program, argc, argv, begin, end, unlink, stack);
}
