/* clock: when the local time next shows a full day, hour or minute. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* clock_next is the moment of the first tick of kind 'D', 'H' or 'M' after the
 * one at `last`, when it is `now`; it may have passed already. Seconds since
 * 1970; the zone is that of localtime_r(3).
 *
 * D ticks once per calendar date, at its first instant; a date that the zone
 * skips has none, and one that comes again after a clock was put back by a day
 * at most has no second. H and M tick at each instant whose local minute and
 * second, or second, are 0; an hour that comes again ticks again. */
time_t clock_next(char kind, time_t last, time_t now);

#endif
