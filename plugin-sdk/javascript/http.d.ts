import type { Field, Headers } from './index.js';

/** `upstream://NAME/path?query`, or an absolute URL whose origin is granted; alone, it is a GET. */
export type Call =
  | string
  | {
      url: string;
      method?: string;
      headers?: Headers;
      body?: string | Uint8Array;
      /** Milliseconds. */
      timeout?: number;
    };

/** A service's answer. */
export interface Answer {
  status: number;
  headers: Field[];
  body: Uint8Array;
  /** 2xx. */
  readonly ok: boolean;
  header(name: string): string | undefined;
  text(): string;
  json(): any;
}

/** One call. Throws where there is no answer. */
export function fetch(call: Call): Answer;
/** Several at once, at most 32; the answers stand in the order of the calls. */
export function fetchAll(calls: Call[]): { answer?: Answer; error?: string }[];
