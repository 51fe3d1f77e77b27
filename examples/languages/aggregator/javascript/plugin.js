// The aggregator in JavaScript: several services in one answer.

import { Response, request } from '@gateway/plugin';
import { fetchAll } from '@gateway/plugin/http';

/** @type {[name: string, url: string][]} */
let parts = [];

export default {
  configure(config) {
    parts = Object.entries(config.parts).sort(([one], [other]) => (one < other ? -1 : 1));
  },

  handle() {
    const path = request.path();
    const results = fetchAll(parts.map(([, url]) => url.replaceAll('{path}', path)));
    const missing = [];
    const members = parts.map(([name], at) => {
      const answer = results[at].answer;
      if (answer?.ok) return `"${name}":${answer.text()}`;
      missing.push(name);
      return `"${name}":null`;
    });
    const headers = { 'content-type': 'application/json' };
    if (missing.length > 0) headers['x-degraded'] = missing.join(', ');
    return new Response(`{${members.join(',')}}`, { headers });
  },
};
