/* reaper: as a container's first process, buries children that nobody waits for
 *
 * No function for hooks. `reaper.buried` in the status counts them. */
