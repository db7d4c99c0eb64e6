/* reaper: as a container's first process, reaps orphaned children
 *
 * No function for hooks. `reaper.reaped` in the status counts them. */
