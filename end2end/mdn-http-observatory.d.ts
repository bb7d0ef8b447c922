// The parts of Mozilla's HTTP Observatory that observatory.ts uses: the package has no types of its own.

declare module "@mdn/mdn-http-observatory/src/types.js" {
  import type { Session } from "@mdn/mdn-http-observatory/src/retriever/session.js";

  export interface Response {
    status: number;
    headers: Record<string, string | string[]>;
    data: string;
    verified: boolean;
    request?: { headers: Record<string, string> };
    httpEquiv?: Map<string, string[]>;
  }

  export class Requests {
    constructor(hostname: string);
    resources: { path: string | null };
    responses: {
      auto: Response | null;
      cors: Response | null;
      http: Response | null;
      https: Response | null;
      httpRedirects: { url: URL; status: number }[];
      httpsRedirects: { url: URL; status: number }[];
    };
    session: Session | null;
  }
}

declare module "@mdn/mdn-http-observatory/src/retriever/session.js" {
  export class Session {
    constructor(url: URL);
    jar: { setCookieSync(cookie: string, url: string): unknown };
  }
}

declare module "@mdn/mdn-http-observatory/src/retriever/utils.js" {
  export function parseHttpEquivHeaders(html: string, baseUrl: string): Map<string, string[]>;
}

declare module "@mdn/mdn-http-observatory/src/constants.js" {
  import type { Requests } from "@mdn/mdn-http-observatory/src/types.js";

  export interface Output {
    constructor: { name: string };
    result: string | null;
    pass: boolean;
  }

  export const ALL_TESTS: ((requests: Requests) => Output)[];
}

declare module "@mdn/mdn-http-observatory/src/grader/charts.js" {
  export const MINIMUM_SCORE_FOR_EXTRA_CREDIT: number;
}

declare module "@mdn/mdn-http-observatory/src/grader/grader.js" {
  export function getScoreModifier(result: string): number;
  export function getGradeForScore(score: number): { score: number; grade: string };
}
