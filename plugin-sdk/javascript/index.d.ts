/**
 * Plugins for `gateway` in JavaScript and TypeScript.
 *
 *     import { log, request, response, type Plugin } from '@gateway/plugin';
 *
 *     let greeting = 'hello';
 *
 *     export default {
 *       configure(config) { greeting = config.greeting ?? greeting; },
 *       onRequest() { log.info(`${greeting} for ${request.path()}`); },
 *       onResponse() { response.setHeader('x-hello', greeting); },
 *     } satisfies Plugin;
 *
 * A method is a phase; `plugin.toml` names those that are there. What the gateway refuses throws. There is no other way out: no files, no
 * sockets, no environment, no timers; time and randomness come from `clock` and `random`, since `Date` and `Math.random` stand still.
 */

/** What a head phase returns to have the body gathered and its body phase called. */
export const AWAIT_BODY: unique symbol;

export type Headers = Record<string, string | string[]>;

/** A header field as the gateway has it. */
export interface Field {
  name: string;
  value: Uint8Array;
}

/** An answer. A body that is text is sent as UTF-8. */
export class Response {
  constructor(body?: string | Uint8Array, init?: { status?: number; headers?: Headers });
  status: number;
  headers: Headers;
  body: string | Uint8Array;
  /** A JSON document. */
  static json(value: unknown, init?: { status?: number; headers?: Headers }): Response;
  /** Problem details (RFC 9457). */
  static problem(status: number, title: string, detail: string, headers?: Headers): Response;
}

/** How an exchange ended. */
export interface Summary {
  /** 499 when the client went away before there was one. */
  status: number;
  /** Microseconds. */
  duration: bigint;
  requestBytes: bigint;
  responseBytes: bigint;
  error?: string;
}

export interface Plugin<Config = any> {
  /** Called once for each instance. What is thrown refuses the configuration, and is shown to its writer. */
  configure?(config: Config): void;
  /** The head has arrived. Undefined: go on. */
  onRequest?(): void | Response | typeof AWAIT_BODY;
  /** The whole body, after AWAIT_BODY. Undefined: it stays as it is. */
  onRequestBody?(body: Uint8Array): void | string | Uint8Array | Response;
  /** Answers in place of a service. */
  handle?(body: Uint8Array): Response;
  /** The head of the answer is known. Undefined: go on. */
  onResponse?(): void | Response | typeof AWAIT_BODY;
  /** The whole body, after AWAIT_BODY. Undefined: it stays as it is. */
  onResponseBody?(body: Uint8Array): void | string | Uint8Array | Response;
  /** All was sent. */
  onComplete?(summary: Summary): void;
}

interface Fields {
  /** The field's value, several lines joined. */
  header(name: string): string | undefined;
  headerValues(name: string): Uint8Array[];
  headers(): Field[];
  setHeader(name: string, value: string): void;
  appendHeader(name: string, value: string): void;
  removeHeader(name: string): void;
}

export const request: Fields & {
  /** `header` and `removeHeader` in one call: what is meant for this plugin and not for the service. */
  takeHeader(name: string): string | undefined;
  method(): string;
  setMethod(method: string): void;
  scheme(): string;
  authority(): string;
  path(): string;
  setPath(path: string): void;
  query(): string;
  setQuery(query: string): void;
};

export const response: Fields & {
  status(): number;
  setStatus(status: number): void;
};

export const exchange: {
  id(): string;
  route(): string;
  param(name: string): string | undefined;
  params(): [string, string][];
  clientAddress(): string;
  setUpstream(name: string): void;
  attribute(name: string): string | undefined;
  attributeBytes(name: string): Uint8Array | undefined;
  setAttribute(name: string, value: string): void;
  setAttributeBytes(name: string, value: Uint8Array): void;
  /** `consumer`, `claims` (a JSON object) and `groups` (a JSON list) all at once; what is empty is absent. Needs the grant `identity`. */
  identify(consumer: string, claims: string, groups: string): void;
};

export const log: Record<'debug' | 'info' | 'warn' | 'error', (message: unknown) => void>;

export const metrics: {
  count(name: string, by: bigint): void;
  gauge(name: string, value: number): void;
  observe(name: string, value: number): void;
};

export const clock: {
  /** Nanoseconds since 1970; may step. */
  now(): bigint;
  /** Nanoseconds; never goes back. */
  monotonic(): bigint;
  wait(milliseconds: number): void;
};

export const random: {
  bytes(length: number): Uint8Array;
  number(): bigint;
};

/** Times to live are in milliseconds. */
export const kv: {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array, ttl?: bigint): void;
  delete(key: string): void;
  increment(key: string, by: bigint, ttl?: bigint): bigint;
  compareAndSwap(key: string, expected: Uint8Array | undefined, value: Uint8Array, ttl?: bigint): boolean;
};

/** What JSON makes of the TOML table `config`. */
export function config(): any;
/** UTF-8. */
export function encode(text: string): Uint8Array;
/** UTF-8; throws where it is none. */
export function decode(bytes: Uint8Array): string;
/** A letter for each byte. */
export function latin1(bytes: Uint8Array): string;
/** Header fields as the gateway takes them. */
export function fields(headers?: Headers): Field[];
