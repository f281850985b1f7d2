const HELP = `usage: mta [-c config_dir] sendmail [option ...] [recipient ...]

send a message from standard input (sendmail(1); links: mailq, newaliases)

  -t            also to whom To, Cc and Bcc name
  -i, -oi       a line with a dot alone does not end the message
  -f, -r ADDR   the sender; <> for none
  -F NAME       the sender's full name, for a message without From
  -N WHEN       notify: never, or some of failure, delay, success
  -R full|hdrs  what of the message a notice has; -V ID: its envelope id
  -XV[xy]       a sender address for each recipient (VERP)
  -B TYPE       7BIT or 8BITMIME; -G: mail from another system
  -O NAME=yes   REQUIRETLS, SMTPUTF8
  -v            report the delivery by mail; -bv: what delivery would do
  -bs           speak SMTP on standard input and output
  -bp (mailq)   list the queue; -bi (newaliases): make alias tables anew
  -q            try deferred mail; -qIID one message, -qRSITE a site's
  -bd, -bl      start the mail system
  -C DIR        another configuration (alternate_config_directories)
Other options of sendmail are taken and mean nothing.
`;

const BRIEF: Readonly<Record<string, string>> = {
  mailq: "list the queue (sendmail -bp, postqueue -p)",
  newaliases: "make the tables of alias_database anew (sendmail -bi): postalias of each",
};

/** What `--help` prints for sendmail, or a link to it. */
export function helpOf(name: string): string {
  const brief = BRIEF[name];
  return brief === undefined
    ? HELP
    : `usage: mta [-c config_dir] ${name}\n\n${brief}\nOptions are those of sendmail(1).\n`;
}
