/* frames: which calls led here. */
#ifndef FRAMES_H
#define FRAMES_H

/* frames_take writes the addresses of the calls that led here, at most `most`,
 * the caller's first. Returns how many. It loads nothing, so that a signal's
 * handler may call it; backtrace(3) loads a library at its first call, and musl
 * has none. It ends at a function without a table for unwinding. Any thread. */
int frames_take(void *addresses[], int most);

#endif
