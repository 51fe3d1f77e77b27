// Plugins for `gateway` in JavaScript. What each function does is said in index.d.ts and in gateway.wit.

import { get as configuration } from 'gateway:plugin/config@0.1.0';
import { log as write } from 'gateway:plugin/log@0.1.0';
import * as requestOf from 'gateway:plugin/request@0.1.0';
import * as responseOf from 'gateway:plugin/response@0.1.0';
import * as exchangeOf from 'gateway:plugin/exchange@0.1.0';
import * as kvOf from 'gateway:plugin/kv@0.1.0';

export * as metrics from 'gateway:plugin/metrics@0.1.0';
export * as clock from 'gateway:plugin/clock@0.1.0';
export * as random from 'gateway:plugin/random@0.1.0';

/** What a head phase returns to have the body gathered and its body phase called. */
export const AWAIT_BODY = Symbol('await-body');

export const log = {
  debug: (message) => write('debug', String(message)),
  info: (message) => write('info', String(message)),
  warn: (message) => write('warn', String(message)),
  error: (message) => write('error', String(message)),
};

// An absent option is null in QuickJS's bindings; it is undefined here, as everywhere in JavaScript.
export const request = {
  ...requestOf,
  header: (name) => requestOf.header(name) ?? undefined,
  takeHeader: (name) => requestOf.takeHeader(name) ?? undefined,
};

export const response = {
  ...responseOf,
  header: (name) => responseOf.header(name) ?? undefined,
};

export const exchange = {
  ...exchangeOf,
  param: (name) => exchangeOf.param(name) ?? undefined,
  attribute: (name) => exchangeOf.attribute(name) ?? undefined,
  attributeBytes: (name) => exchangeOf.attributeBytes(name) ?? undefined,
};

export const kv = {
  ...kvOf,
  get: (key) => kvOf.get(key) ?? undefined,
};

/** What JSON makes of the TOML table `config`. */
export function config() {
  return JSON.parse(configuration());
}

/** UTF-8; QuickJS has no TextEncoder. What it has natively is many times faster than a loop over bytes. */
export function encode(text) {
  const bytes = unescape(encodeURIComponent(text));
  const encoded = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += 1) encoded[at] = bytes.charCodeAt(at);
  return encoded;
}

/** UTF-8; throws a URIError where it is none. */
export function decode(bytes) {
  return decodeURIComponent(escape(latin1(bytes)));
}

/** A letter for each byte. A call takes a bounded number of arguments. */
export function latin1(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096));
  return text;
}

/** Header fields as the gateway takes them. */
export function fields(headers = {}) {
  const lines = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  return lines.map(([name, value]) => ({ name, value: Uint8Array.from(value, (character) => character.charCodeAt(0)) }));
}

/** An answer. A body that is text is sent as UTF-8. */
export class Response {
  constructor(body = '', { status = 200, headers = {} } = {}) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** A JSON document. */
  static json(value, { status = 200, headers = {} } = {}) {
    return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } });
  }

  /** Problem details (RFC 9457). */
  static problem(status, title, detail, headers = {}) {
    const document = { type: 'about:blank', title, status, detail };
    return Response.json(document, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
  }

  /** As the gateway takes it. */
  lower() {
    const body = typeof this.body === 'string' ? encode(this.body) : this.body;
    return { status: this.status, headers: fields(this.headers), body };
  }
}
