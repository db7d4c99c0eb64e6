/* frames: which calls led here. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>
#include <unwind.h>

/* Internal: where the next address goes, and how many fit. */
struct frames {
    void **next;
    int left;
};

static inline _Unwind_Reason_Code
frames_note(struct _Unwind_Context *context, void *arg) {
    struct frames *frames = arg;
    uintptr_t address = _Unwind_GetIP(context);
    if (frames->left-- <= 0 || address == 0)
        return _URC_END_OF_STACK;
    *(uintptr_t *)frames->next++ = address;
    return _URC_NO_REASON;
}

/* frames_take writes the addresses of the calls that led here, at most `most`,
 * the caller's first. Returns how many. It loads nothing, so that a signal's
 * handler may call it; backtrace(3) loads a library at its first call, and musl
 * has none. It ends at a function without a table for unwinding. Any thread. */
__attribute__((always_inline)) static inline int
frames_take(void *addresses[], int most) {
    struct frames frames = {addresses, most};
    _Unwind_Backtrace(frames_note, &frames);
    return (int)(frames.next - addresses);
}

#endif
