// The key check in TypeScript: refuses requests without a known key, and names the consumer of the others.

import { type Plugin, Response, exchange, request } from '@gateway/plugin';

let header = 'x-api-key';
let keys: [consumer: string, key: string][] = [];

export default {
  configure(config: { keys?: unknown; header?: string }) {
    if (typeof config.keys !== 'string') throw new Error('`keys` must be text with lines `name:key`');
    const entries = config.keys.split(/[\n,]/).map((entry) => entry.trim()).filter((entry) => entry !== '');
    keys = entries.map(parse);
    if (keys.length === 0) throw new Error('`keys` is empty: nobody could ever be let in');
    header = config.header ?? header;
  },

  onRequest() {
    const given = request.header(header);
    const consumer = given === undefined ? undefined : consumerOf(given);
    if (consumer === undefined) {
      return Response.problem(401, 'Unauthorized', 'A valid API key is required.', { 'www-authenticate': 'ApiKey' });
    }
    exchange.setAttribute('consumer', consumer);
    request.removeHeader(header);
  },
} satisfies Plugin;

/** The entry itself may be a key: no error repeats it. */
function parse(entry: string): [string, string] {
  const colon = entry.indexOf(':');
  if (colon < 0) throw new Error('`keys`: an entry is not `name:key`');
  const [consumer, key] = [entry.slice(0, colon).trim(), entry.slice(colon + 1).trim()];
  if (consumer === '' || key === '') throw new Error('`keys`: a name or a key is empty');
  return [consumer, key];
}

function consumerOf(given: string) {
  return keys.filter(([, key]) => same(key, given)).map(([consumer]) => consumer)[0];
}

/** Takes as long for a wrong key as for a right one of the same length. */
function same(key: string, given: string) {
  if (key.length !== given.length) return false;
  let difference = 0;
  for (let at = 0; at < key.length; at += 1) difference |= key.charCodeAt(at) ^ given.charCodeAt(at);
  return difference === 0;
}
