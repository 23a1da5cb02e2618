import type { Html } from '../html.ts';
import { pick, type Lang, type Messages } from '../messages/pick.ts';

/** Who looks at a page. */
export type Viewer =
  | { readonly role: 'nobody' }
  | { readonly role: 'person' | 'officer' | 'analyst' | 'operator'; readonly name: string };

/** What every page needs beside its own model. */
export interface PageContext {
  readonly lang: Lang;
  /** IANA name, such as `Asia/Shanghai`; times on the page are in it, and the foot of the page says so. */
  readonly timeZone: string;
  /** Goes into every form; bound to the session (or, before sign-in, to a cookie) by the routes. */
  readonly csrfToken: string;
  /** This page's path with its query, for the language links and the current mark in the navigation. */
  readonly url: string;
  readonly viewer: Viewer;
  /** Shows the banner that says that everything is invented. */
  readonly isDemo: boolean;
}

export function words(ctx: PageContext): Messages {
  return pick(ctx.lang);
}

/** A page's own part, which `layout` puts into the frame. */
export interface PageBody {
  /** Title of the window; the frame adds the product's name. */
  readonly title: string;
  readonly main: Html;
  /** `wide` for tables and the two-sided demo, `narrow` for forms and text. */
  readonly width?: 'narrow' | 'wide';
}
