/* rotate: log files of former days, hours or minutes. */
#ifndef ROTATE_H
#define ROTATE_H

#include <time.h>

enum { ROTATE_SIZE = 24 };

/* rotate_period names the local day (kind 'D'), hour ('H') or minute ('M') of a
 * moment, as it will end a file's name; "" for any other kind. */
void rotate_period(char kind, time_t when, char period[ROTATE_SIZE]);

/* rotate_away renames `path`, from the folder `dir`, to PATH.PERIOD, or to
 * PATH.PERIOD.N where that is taken, and removes the oldest but `keep` of them
 * (0 keeps all). Returns 0, or -1 with errno. */
int rotate_away(int dir, const char *path, const char *period, int keep);

#endif
