/* checkpoint: keeps the state in a file, for the next start
 *
 * needs: store
 * status: checkpoint.saved: how often the state was saved
 * status: checkpoint.failed: how often it could not be saved
 *
 * The state is saved each checkpoint.every seconds, after on_close, and so over
 * ./svr.sh restart too; a start finds it before on_start. Without further ado
 * it is the bytes of the state struct, which then must hold no pointers; one of
 * an older state_version goes through `migrate`. With two callbacks in the
 * handler's table, SVR_CALL(save) and SVR_CALL(load), it is what they write to
 * and read from their argument, a FILE *.
 *
 * A file is whole or not there: written beside, synced, renamed. The one before
 * is kept (FILE.1), and used when the newest is damaged. One that is newer than
 * the code, or another server's, ends the start with the reason; nothing is
 * overwritten. While new code with another state_version is on trial (part
 * probation) nothing is saved, so that the last good code finds what it knows.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_checkpoint_save saves now. Loop thread, after on_start. Returns 0, or -1
 * with the reason logged; the file is then as before. */
int svr_checkpoint_save(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
