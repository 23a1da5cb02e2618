// The switch: a form with one button, so that it works without scripts (WCAG 4.1.2: role, name, state).
import { html, type Html } from '../html.ts';
import type { Category, Purpose, SwitchRecipient } from '../../consent/vocabulary.ts';
import type { Messages } from '../messages/en.ts';
import { formatList } from '../messages/format.ts';
import { noticePath, paths } from '../paths.ts';
import { postForm } from './form.ts';
import { words, type PageContext } from './page.ts';
import { mark, number, time } from './text.ts';

export type SwitchCause = keyof Messages['causes'];

/** One switch with what it does at this moment. */
export interface SwitchView {
  readonly category: Category;
  readonly purpose: Purpose;
  readonly recipient: SwitchRecipient;
  /** The person's own setting. */
  readonly state: 'unset' | 'on' | 'off';
  /** What `decide` would answer now, and why, which may differ from the setting. */
  readonly effective: 'on' | 'off';
  readonly cause: SwitchCause;
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  readonly noticeVersion: string | null;
  /** The notice that turning it on agrees to; shown beside it and sent with the form. */
  readonly offeredNotice: string;
  readonly historyDays: number | null;
  readonly fields: readonly string[];
  /** Needs a separate consent (PIPL Art. 23, 29), so a general "on" is not enough. */
  readonly needsSeparate: boolean;
  /** Where to go back to after the post. */
  readonly backUrl: string;
}

/** Contract and law are no switches: they are shown, never as something to flip. */
export function isGoverned(view: SwitchView): boolean {
  return view.cause === 'contract' || view.cause === 'law';
}

export function switchName(view: SwitchView, recipientName: string, ctx: PageContext): string {
  const m = words(ctx);
  return m.switches.label(m.categories[view.category], m.purposes[view.purpose], recipientName);
}

/** The form with the button. Flipping posts the state wanted, so that a double press cannot flip twice. */
export function switchForm(view: SwitchView, recipientName: string, ctx: PageContext): Html {
  const m = words(ctx).switches;
  const to = view.state === 'on' ? 'off' : 'on';
  const form = postForm(
    paths.switches,
    hiddenFields(view, to),
    html`<button
      class="switch"
      role="switch"
      aria-checked="${view.state === 'on' ? 'true' : 'false'}"
      aria-label="${switchName(view, recipientName, ctx)}"
    >
      <span class="track" aria-hidden="true"><span class="thumb"></span></span>
      <span class="state">${m.state[view.state]}</span>
    </button>`,
    ctx,
    'switch-form',
  );
  if (to === 'off') return form;
  return html`<div class="turn">
    ${form}
    <p class="agree">
      <a
        href="${noticePath(view.offeredNotice)}"
        aria-label="${`${m.agree}: ${switchName(view, recipientName, ctx)}`}"
        >${m.agree}</a
      >
    </p>
  </div>`;
}

/** What happens now and why, in words. */
export function effect(view: SwitchView, ctx: PageContext): Html {
  const m = words(ctx);
  return html`<p class="effect ${view.effective}">
    ${mark(view.effective === 'on' ? 'tick' : 'bar')}
    <span
      ><strong>${view.effective === 'on' ? m.switches.effectiveOn : m.switches.effectiveOff}</strong
      ><span class="cause">${m.causes[view.cause]}</span></span
    >
  </p>`;
}

/** Since when, which notice, how far it reaches, and the two rarer choices. */
export function switchDetails(view: SwitchView, recipientName: string, ctx: PageContext): Html | false {
  const m = words(ctx).switches;
  const limits = [
    view.historyDays !== null && m.historyDays(view.historyDays, number(view.historyDays, ctx)),
    view.fields.length > 0 && m.fields(formatList(view.fields, ctx.lang)),
  ].filter((limit) => limit !== false);
  const name = switchName(view, recipientName, ctx);
  return html`<details class="switch-details">
    <summary aria-label="${`${m.more}: ${name}`}">${m.more}</summary>
    <ul>
      ${view.sinceMs !== null && html`<li>${m.since(time(view.sinceMs, 'minute', ctx))}</li>`}
      ${view.untilMs !== null && html`<li>${m.until(time(view.untilMs, 'day', ctx))}</li>`}
      ${limits.map((limit) => html`<li>${m.extent} ${limit}</li>`)}
      ${view.needsSeparate && html`<li>${m.separate}</li>`}
      ${view.noticeVersion && html`<li><a href="${noticePath(view.noticeVersion)}">${m.notice(view.noticeVersion)}</a></li>`}
    </ul>
    ${
      view.state === 'unset' &&
      postForm(
        paths.switches,
        hiddenFields(view, 'off'),
        html`<button class="plain" aria-label="${`${m.refuse}: ${name}`}">${m.refuse}</button>`,
        ctx,
      )
    }
    ${
      view.recipient !== '*' &&
      postForm(
        paths.switchesOnly,
        hiddenFields(view, 'on'),
        html`<button class="plain" aria-label="${`${m.only}: ${name}`}">${m.only}</button>
          <p class="hint">${m.onlyHint}</p>`,
        ctx,
      )
    }
  </details>`;
}

function hiddenFields(view: SwitchView, to: 'on' | 'off'): Record<string, string> {
  return {
    category: view.category,
    purpose: view.purpose,
    recipient: view.recipient,
    to,
    back: view.backUrl,
    ...(to === 'on' ? { notice: view.offeredNotice } : {}),
  };
}
