/* standby: a second server waits, ready, and takes over when the first one ends
 *
 * status: role: master = this one works; slave = it waits
 *
 * Two servers in two folders name one file, standby.lock. Who has its lock is
 * the master. The other one, the slave, has read its code and configuration,
 * answers svr.sh (its state is "standby", its role "slave"; reload and close
 * work) and continues with on_start when the master is gone, whatever ended it:
 * the kernel frees the lock. A master that is stopped (SIGSTOP) or hangs is not
 * gone. A restart of the master keeps the lock. No function for hooks.
 */
