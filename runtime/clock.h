/* clock: when the local time next shows a full hour or minute, or a time of
 * day. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* clock_next is the moment of the first tick of kind 'D', 'H' or 'M' after the
 * one at `last`, when it is `now`; it may have passed already. Seconds since
 * 1970; the zone is that of localtime_r(3).
 *
 * D ticks once per calendar date, at its first instant. A date that the zone
 * skips has no tick; one that is repeated, because the clock was put back by a
 * day or less, has no second tick. H ticks at each instant whose local minute
 * and second are 0, M at each whose second is 0; a repeated hour ticks again.
 */
time_t clock_next(char kind, time_t last, time_t now);

/* clock_daily is the same for a time of day in seconds, 0 = D: once per
 * calendar date, at its first instant that is not before that time. clock_begin
 * is the first `last` of a timer that begins now: the present date ticks if its
 * time is still to come. */
time_t clock_daily(int second, time_t last, time_t now);
time_t clock_begin(int second, time_t now);

#endif
