/* probation: after a crash soon after a reload, the last good code runs again
 *
 * needs: kept
 *
 * New code and configuration are on probation for svr.reload.probation seconds.
 * If the server ends in that time without a clean close, the next start runs
 * the last pair that passed its probation or came with a start; the code that
 * crashed is not tried again until it changes. No function for hooks. */
