/* reaper: as a container's first process, reaps orphaned children
 *
 * No function for hooks. */
