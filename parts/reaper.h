/* reaper: as a container's first process, reaps orphaned children
 *
 * status: reaper.reaped: orphaned children reaped
 *
 * No function for hooks. */
