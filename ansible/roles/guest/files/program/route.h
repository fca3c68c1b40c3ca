#ifndef ROUTE_H
#define ROUTE_H

int route_by(const char *card, const char *gateway); /* the default route, in place of any other */

#endif
