/* standby: a second server waits, ready, and takes over when the first one ends
 *
 * Two servers in two folders name one file, standby.lock; the one that holds
 * its lock is the master. The other, the slave, has loaded its code and
 * configuration, answers svr.sh (state "standby", role "slave"; reload and
 * close work), and continues with on_start when the master has ended, for
 * whatever reason: the kernel frees the lock. A master that is stopped
 * (SIGSTOP) or hangs keeps the lock. So does one that restarts. No function for
 * hooks. */
