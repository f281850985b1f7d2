/** `mta sendmail --help`. */
export const HELP = `usage: mta [-c config_dir] sendmail [option ...] [recipient ...]

take a message from standard input and send it (sendmail(1)); also by the links sendmail, mailq and newaliases

  -t           also send it to whom To, Cc and Bcc name
  -i, -oi      a line with a dot alone does not end the message
  -f, -r ADDR  the sender; "" or <> for none
  -F NAME      the sender's full name, where there is no From
  -N WHEN      notify of: never, or failure, delay, success
  -R full|hdrs what of the message a notice has; -V ID its envelope id
  -XV[xy]      a sender address for each recipient (VERP)
  -B TYPE      7BIT or 8BITMIME; -G mail of another system
  -O REQUIRETLS=yes, -O SMTPUTF8=yes
  -v           report each delivery by mail; -bv report what would be done
  -bs          speak SMTP on standard input and output
  -bp (mailq)  list the queue; -bi (newaliases) make the alias tables anew
  -q           try all deferred mail now; -qIID one message, -qRSITE that of a site
  -bd, -bl     start the mail system; -C DIR another configuration
Other options of sendmail are taken and mean nothing.
`;
