/* mail: mails the lines of a log level, bounded, each a line of one mail
 *
 * needs: child mime
 * status: mail.sent: mails sent
 * status: mail.failed: mails that could not be sent
 * status: mail.left_out: lines for which a mail had no room
 *
 * What comes within log.email.every seconds is one mail, and there are at most
 * log.email.per_hour of them; what a mail has no room for is counted in it. It
 * is MIME, in UTF-8, and sent by a child, with the interface of sendmail(8);
 * status 75 (try again later) is tried again, any other is logged once an
 * outage. The close sends what is left. What a crash logs is in the other sinks
 * only. No function for hooks. */
