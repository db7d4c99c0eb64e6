/* checkpoint: saves the state in a file, for the next start
 *
 * needs: store
 *
 * The state is saved every checkpoint.every seconds and after on_close, so also
 * at ./svr.sh restart; a start restores it before on_start. By default the
 * bytes of the state struct are saved, which must then hold no pointers; those
 * of an older state_version go through `migrate`. If the handler's table has
 * the callbacks `save` and `load`, their argument is a FILE *, and the
 * checkpoint is what `save` writes and `load` reads.
 *
 * A checkpoint is written to a new file, synced and renamed, so it is whole or
 * not there. The previous one is kept (FILE.1), and used if the newest is
 * damaged. If a checkpoint is newer than the code, or of another server, the
 * start fails with the reason, and nothing is overwritten. While new code with
 * another state_version is on probation, nothing is saved, so that the last
 * good code finds a state it knows. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_checkpoint_save saves the state now. Loop thread, after on_start. Returns
 * 0, or -1 with the reason logged; the file is then unchanged. */
int svr_checkpoint_save(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
