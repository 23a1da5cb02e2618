// Routes about erasure and legal holds: asking, the receipt for whoever has its code, the officer's holds.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { categoryNames } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { guardedLimit } from '../http/rate-limits.ts';
import { confirmPassword } from '../operations/accounts.ts';
import { staffNames } from '../operations/staff-names.ts';
import { erasePerson } from '../rights/erase.ts';
import { confirmHold, endHold, listHolds, orderHold, viewToldHolds } from '../rights/holds.ts';
import { consentReceipt, fetchErasure, type FetchedErasure } from '../rights/receipts.ts';
import { pick } from './messages/pick.ts';
import { erasedPage, erasePage, receiptPage, type EraseModel } from './pages/erase.ts';
import { officerHoldsPage, type OfficerHoldsModel } from './pages/officer-holds.ts';
import { paths } from './paths.ts';
import { numberOf } from './query.ts';
import type { Portal } from './surface.ts';

/** As slow as signing in: guessing a password or a code is worth nothing at this pace. */
const guarded = guardedLimit(20);
const dayMs = 86_400_000;

export function rightsRoutes(app: FastifyInstance, portal: Portal): void {
  const { core, sessions, visitors, send } = portal;
  const { operations, sealSigner } = core;
  const receipts = { operations, sealSigner };

  app.get(paths.erase, (request, reply) => showErase(request, reply, null));
  app.post(paths.erase, guarded, async (request, reply) => {
    const { password = '', word = '' } = await portal.form(request);
    const { subject } = await visitors.person(request);
    const problem = await problemOf(request, subject, password, word);
    if (problem !== null) return showErase(request, reply.status(400), problem);
    const { value } = await erasePerson(operations, { kind: 'person', person: subject });
    // Rows and key are gone. The files are cleaned by a later round: everybody waits while they are rewritten, and who
    // may ask for an erasure must not be able to stop the gateway with it.
    sessions.end(reply);
    const context = {
      ...(await visitors.context(request, reply)),
      // The session of this request is gone: its token would not open another form.
      csrfToken: sessions.formToken(request, reply, undefined),
      viewer: { role: 'nobody' as const },
      url: paths.erasure,
    };
    const { code, evidenceUntilMs } = value;
    return send(reply, erasedPage({ code, evidenceUntilMs }, context));
  });

  async function showErase(
    request: FastifyRequest,
    reply: FastifyReply,
    problem: EraseModel['problem'],
  ): Promise<FastifyReply> {
    const { subject } = await visitors.person(request);
    const nowMs = core.system.clock.nowMs();
    const { value: holds } = await viewToldHolds(operations, subject);
    const model = {
      confirmBy: portal.isDemo ? ('word' as const) : ('password' as const),
      problem,
      evidenceUntilMs: nowMs + core.config.evidenceDays * dayMs,
      holds: holds.map(({ categories, payloads, expiresMs }) => ({
        categories,
        payloads,
        untilMs: expiresMs,
      })),
    };
    return send(reply, erasePage(model, await visitors.context(request, reply)));
  }

  /** In the demo nobody has a password, so a word is asked for instead: a click alone deletes nobody. */
  async function problemOf(
    request: FastifyRequest,
    person: string,
    password: string,
    word: string,
  ): Promise<EraseModel['problem']> {
    if (portal.isDemo) {
      return word.trim() === pick(visitors.languageOf(request)).erase.theWord ? null : 'wrong_word';
    }
    return (await confirmPassword(operations, person, password)) ? null : 'wrong_password';
  }

  app.get(paths.erasure, async (request, reply) => {
    const model = { code: '', hasFailed: false, found: null };
    return send(reply, receiptPage(model, await visitors.context(request, reply)));
  });
  app.post(paths.erasure, guarded, async (request, reply) => {
    const { code = '', download } = await portal.form(request);
    const found = await fetchErasure(receipts, code).then(
      ({ value }): FetchedErasure | null => value,
      (error: unknown) => {
        if (error instanceof GatewayError && error.code === 'not_found') return null;
        throw error;
      },
    );
    if (found?.receipt != null && download === '1')
      return sendReceipt(reply, found.receipt, 'assent-erasure-receipt.json');
    const model = { code: code.slice(0, 100), hasFailed: found === null, found };
    return send(
      found === null ? reply.status(404) : reply,
      receiptPage(model, await visitors.context(request, reply)),
    );
  });

  app.get<{ Params: { number: string } }>('/me/entries/:number/receipt', async (request, reply) => {
    const { subject } = await visitors.person(request);
    const number = numberOf(request.params.number);
    const { value } = await consentReceipt(receipts, subject, number);
    return sendReceipt(reply, value, `assent-receipt-${number}.json`);
  });

  app.get(paths.officerHolds, (request, reply) =>
    showHolds(request, reply, { problem: null, typed: { person: '', reason: '', days: '' } }),
  );
  app.post(paths.officerHolds, async (request, reply) => {
    const form = await portal.form(request);
    const { subject } = await visitors.officer(request);
    const { hold = '', person = '', reason = '', days = '' } = form;
    try {
      if (form['do'] === 'confirm') await confirmHold(operations, subject, hold);
      else if (form['do'] === 'end') await endHold(operations, subject, hold);
      else
        await orderHold(operations, subject, {
          person: person.trim(),
          categories: categoryNames.filter((name) => form[`keep-${name}`] === '1'),
          payloads: form['payloads'] === '1',
          reason,
          disclose: form['disclose'] === '1',
          expiresMs: core.system.clock.nowMs() + Number(days) * dayMs,
        });
    } catch (error) {
      const known = ['not_found', 'malformed_request', 'unknown_category', 'conflict'];
      if (!(error instanceof GatewayError) || !known.includes(error.code)) throw error;
      return showHolds(request, reply.status(error.status), {
        problem: error.code,
        typed: { person, reason, days },
      });
    }
    return reply.redirect(paths.officerHolds, 303);
  });

  async function showHolds(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Pick<OfficerHoldsModel, 'problem' | 'typed'>,
  ): Promise<FastifyReply> {
    const { subject } = await visitors.officer(request);
    const { value } = await listHolds(operations, subject);
    const names = await staffNames(operations);
    const nameOf = (id: string): string => names.get(id) ?? id;
    const holds = value.map((hold) => ({
      ...hold,
      untilMs: hold.expiresMs,
      orderedBy: nameOf(hold.orderedBy),
      confirmedBy: hold.confirmedBy === null ? null : nameOf(hold.confirmedBy),
      isOwn: hold.orderedBy === subject,
    }));
    return send(reply, officerHoldsPage({ ...shown, holds }, await visitors.context(request, reply)));
  }
}

function sendReceipt(reply: FastifyReply, receipt: string, name: string): FastifyReply {
  return reply
    .type('application/json')
    .header('cache-control', 'no-store')
    .header('content-disposition', `attachment; filename="${name}"`)
    .send(receipt);
}
