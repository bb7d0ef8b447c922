// The JSON API, as the tests use it to make what they then look at in the browser.

export interface SendInput {
  templateId: string;
  to: string | string[];
  variables?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface EmailLog {
  id: string;
  teamId: string;
  templateId: string | null;
  templateVersionId: string | null;
  adapterId: string | null;
  apiKeyId: string | null;
  toAddresses: string[];
  fromAddress: string;
  subject: string;
  variables: Record<string, unknown>;
  status: string;
  providerMessageId: string | null;
  errorMessage: string | null;
  hasPdfAttachment: boolean;
  jobId: string;
  createdAt: string;
  sentAt: string | null;
  deliveredAt: string | null;
}

export class Api {
  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  /** Makes a template and returns its id. */
  async createTemplate(source: {
    name: string;
    subject: string;
    html?: string;
    text?: string;
    maskedVariables?: string[];
    offersUnsubscribe?: boolean;
  }): Promise<string> {
    return (await this.call<{ id: string }>("POST", "/api/templates", source)).id;
  }

  async deleteTemplate(id: string): Promise<void> {
    await this.call("DELETE", `/api/templates/${id}`);
  }

  /** Sends a message and returns its id. */
  async send(input: SendInput): Promise<string> {
    return (await this.call<{ id: string }>("POST", "/api/v1/send", input)).id;
  }

  async find(id: string): Promise<EmailLog> {
    return this.call("GET", `/api/logs/${id}`);
  }

  /** Reports what a provider would say of a message. */
  async report(id: string, kind: string, detail: { mx?: string; reply?: string } = {}): Promise<void> {
    const event = { id: `${kind}-${id}`, kind, emailId: id, at: new Date().toISOString(), ...detail };
    await this.call("POST", "/api/v1/events", [event]);
  }

  /** Waits until a message has a status, and returns the message. */
  async waitFor(id: string, status: string, timeoutMs = 15_000): Promise<EmailLog> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const email = await this.find(id);
      if (email.status === status) {
        return email;
      }
      if (Date.now() > deadline) {
        throw new Error(`${id} is ${email.status}, not ${status}, after ${timeoutMs} ms`);
      }
      await new Promise((next) => setTimeout(next, 50));
    }
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = (await response.json()) as { success: boolean; data: T };
    if (!response.ok || !answer.success) {
      throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    }
    return answer.data;
  }
}
