/* mail: sends the log lines of a level by mail, in bounded numbers
 *
 * needs: child mime
 *
 * The lines of log.email.every seconds make one mail, of at most
 * log.email.per_hour mails an hour; a mail gives the number of lines that it
 * has no room for. It is MIME, in UTF-8, and sent by a child process with the
 * interface of sendmail(8). After status 75 (try again later) it is sent again;
 * any other failure is logged once per outage. The close sends what is left.
 * Lines that a crash logs go only to the other sinks. No function for hooks. */
