// The mail server that the tests send to: real SMTP on a free loopback port, which decides by the
// recipient's local part and keeps what it accepts.
//
//   refused…       550 5.1.1, always
//   refused-once…  550 5.7.1 for its content, the first time that address is tried, then accepted
//   blocked-once…  550 5.7.1 the first time that address is tried, then accepted
//   deferred…      451 4.7.1 the first time that address is tried, then accepted
//   reset…         the connection is dropped
//   anything else is accepted

import type { AddressInfo, Socket } from "node:net";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer } from "smtp-server";

export interface ReceivedMessage {
  /** The envelope's sender and recipients; a bcc is in here only. */
  sender: string;
  recipients: string[];
  /** The parsed message: subject, html, text, headers, attachments. */
  message: Email;
  /** The message as it came over the wire. */
  raw: string;
}

/** The one user that a target lets in. */
export interface LogIn {
  user: string;
  password: string;
}

export class SmtpTarget {
  /** Every message accepted so far, oldest first. */
  readonly messages: ReceivedMessage[] = [];
  /** Every recipient tried so far, also those refused, oldest first. */
  readonly tried: string[] = [];
  private readonly server: SMTPServer;

  private constructor(logIn?: LogIn) {
    this.server = new SMTPServer({
      // No TLS and, unless it is asked for, no log-in: the adapter's URL is smtp://127.0.0.1:port.
      disabledCommands: logIn ? ["STARTTLS"] : ["AUTH", "STARTTLS"],
      allowInsecureAuth: true,
      onAuth: (auth, _session, callback) => {
        const isRight = auth.username === logIn?.user && auth.password === logIn?.password;
        callback(isRight ? null : reply(535, "5.7.8 authentication failed"), isRight ? { user: auth.username } : undefined);
      },
      disableReverseLookup: true,
      closeTimeout: 500,
      onRcptTo: (address, session, callback) => {
        const recipient = address.address.toLowerCase();
        const before = this.tried.includes(recipient);
        this.tried.push(recipient);
        if (/^(refused|blocked)-once/.test(recipient) && before) {
          callback();
        } else if (recipient.startsWith("refused-once")) {
          callback(reply(550, "5.7.1 Message rejected as spam"));
        } else if (recipient.startsWith("blocked-once")) {
          callback(reply(550, "5.7.1 Service unavailable; client host [192.0.2.7] blocked using a block list"));
        } else if (recipient.startsWith("refused")) {
          callback(reply(550, `5.1.1 <${recipient}>: no such mailbox`));
        } else if (recipient.startsWith("deferred") && !before) {
          callback(reply(451, `4.7.1 <${recipient}>: greylisted, try again later`));
        } else if (recipient.startsWith("reset")) {
          this.dropConnection(session.id);
        } else {
          callback();
        }
      },
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", async () => {
          const raw = Buffer.concat(chunks);
          this.messages.push({
            sender: session.envelope.mailFrom ? session.envelope.mailFrom.address : "",
            recipients: session.envelope.rcptTo.map((recipient) => recipient.address),
            message: await PostalMime.parse(raw),
            raw: raw.toString("utf8"),
          });
          callback(null, "2.0.0 kept");
        });
      },
    });
    // A client that goes away in the middle is no fault of the target's.
    this.server.on("error", () => {});
  }

  static async start(logIn?: LogIn): Promise<SmtpTarget> {
    const target = new SmtpTarget(logIn);
    await new Promise<void>((resolve) => target.server.listen(0, "127.0.0.1", resolve));
    return target;
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  /** What an adapter is given: `smtp://127.0.0.1:port`. */
  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** The messages accepted for a recipient, oldest first. */
  to(recipient: string): ReceivedMessage[] {
    return this.messages.filter((received) => received.recipients.includes(recipient));
  }

  /** Waits until `count` messages have been accepted for a recipient, and returns them. */
  async waitFor(recipient: string, count = 1, timeoutMs = 15_000): Promise<ReceivedMessage[]> {
    const deadline = Date.now() + timeoutMs;
    while (this.to(recipient).length < count) {
      if (Date.now() > deadline) {
        const found = this.to(recipient).length;
        throw new Error(`${found} of ${count} messages for ${recipient} after ${timeoutMs} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return this.to(recipient);
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(resolve));
  }

  private dropConnection(sessionId: string): void {
    for (const connection of this.server.connections) {
      if (connection.id === sessionId) {
        (connection as unknown as { _socket: Socket })._socket.destroy();
      }
    }
  }
}

function reply(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
