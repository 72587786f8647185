// Cookies as far as a CPE needs them (RFC 6265): name, value, Path, Secure, removal. Domain and expiry by date are left out: one jar
// serves one ACS for one session.

import type { Traits } from './behaviour.ts';

interface Cookie {
  value: string;
  path: string;
  secure: boolean;
}

export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  /** Takes over Set-Cookie headers. @param needPath leaves out cookies without `Path=/` (FIELD 31). */
  take(setCookies: readonly string[], url: URL, needPath = false): void {
    for (const line of setCookies) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const equals = pair.indexOf('=');
      if (equals < 1) continue; // RFC 6265 §5.2: without a name it is ignored.
      const given = (name: string): string | undefined => {
        const found = attributes.find((part) => part.split('=')[0]!.trim().toLowerCase() === name);
        return found === undefined ? undefined : found.slice(found.indexOf('=') + 1).trim();
      };
      const path = given('path');
      if (needPath && path !== '/') continue;
      const name = pair.slice(0, equals).trim();
      if (Number(given('max-age') ?? 1) <= 0) this.#cookies.delete(name);
      else {
        // §5.1.4: the default path is that of the request up to its last slash.
        const fallback = url.pathname.slice(0, Math.max(1, url.pathname.lastIndexOf('/')));
        const secure = given('secure') !== undefined;
        this.#cookies.set(name, {
          value: pair.slice(equals + 1).trim(),
          path: path?.startsWith('/') ? path : fallback,
          secure,
        });
      }
    }
  }

  /** The Cookie header for a request to `url`, in one of the spellings of FIELD 30 when asked; null when there is none to send. */
  header(url: URL, spelling: Traits['cookies']): string | null {
    if (spelling === 'ignored') return null;
    const pairs: string[] = [];
    for (const [name, { value, path, secure }] of this.#cookies) {
      if (secure && url.protocol !== 'https:') continue;
      const inPath = url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
      if (inPath) pairs.push(spelling === 'quoted' ? `${name}="${value}"` : `${name}=${value}`);
    }
    if (pairs.length === 0) return null;
    // A second, foreign cookie shows whether the ACS takes the list apart.
    return spelling === 'commas' ? `lang=en, ${pairs.join(', ')}` : pairs.join('; ');
  }

  clear(): void {
    this.#cookies.clear();
  }
}
