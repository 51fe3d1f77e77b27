// The phases as a component exports them: an object each, with one function that calls the plugin's method.

import { AWAIT_BODY, Response, config, encode } from './index.js';

function flow(returned) {
  if (returned === undefined || returned === null) return { tag: 'next' };
  if (returned === AWAIT_BODY) return { tag: 'await-body' };
  if (returned instanceof Response) return { tag: 'respond', val: returned.lower() };
  throw new TypeError('a head phase returns nothing, AWAIT_BODY or a Response');
}

function bodyFlow(returned) {
  if (returned === undefined || returned === null) return { tag: 'next' };
  if (typeof returned === 'string') return { tag: 'replace', val: encode(returned) };
  if (returned instanceof Uint8Array) return { tag: 'replace', val: returned };
  if (returned instanceof Response) return { tag: 'respond', val: returned.lower() };
  throw new TypeError('a body phase returns nothing, text, bytes or a Response');
}

export const configure = (plugin) => ({
  configure() {
    try {
      plugin.configure(config());
    } catch (error) {
      // The text of an error is what its writer reads.
      throw error instanceof Error ? error.message : String(error);
    }
  },
});
export const onRequest = (plugin) => ({ onRequest: () => flow(plugin.onRequest()) });
export const onRequestBody = (plugin) => ({ onRequestBody: (body) => bodyFlow(plugin.onRequestBody(body)) });
export const handle = (plugin) => ({ handle: (body) => plugin.handle(body).lower() });
export const onResponse = (plugin) => ({ onResponse: () => flow(plugin.onResponse()) });
export const onResponseBody = (plugin) => ({ onResponseBody: (body) => bodyFlow(plugin.onResponseBody(body)) });
export const onComplete = (plugin) => ({ onComplete: (summary) => plugin.onComplete(summary) });
