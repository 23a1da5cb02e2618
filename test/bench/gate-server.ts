// The server of `bench gate`: a real gateway with one person, one partner and one access token.
// Arguments: HOME [STORE_URL [PUBLIC_URL]]; with the last it joins a gateway that is there and has its keys and its data.
import { buildApp } from '../../gateway/app.ts';
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { presentedToken } from '../../gateway/http/caller.ts';
import { oauthSurface } from '../../gateway/oauth/surface.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { event, item } from '../../gateway/store/tables.ts';
import { bound, query } from '../../gateway/store/store.ts';
import { and, desc, eq, gte } from 'drizzle-orm';
import { realSystem } from '../../gateway/system.ts';
import { grantedToken } from '../support/granted-token.ts';

const [home, storeUrl, publicUrl] = process.argv.slice(2);
const port = 18_080 + (process.pid % 1000);
const config = loadConfig({
  ASSENT_HOME: home,
  ASSENT_STORE: storeUrl,
  PORT: String(port),
  ASSENT_PUBLIC_URL: publicUrl,
  ASSENT_REQUESTS_PER_MINUTE: '0',
});
const core = await openCore(config, realSystem);
const oauth = oauthSurface(core);
const token =
  publicUrl === undefined ? (await grantedToken(core, oauth.provider, { events: 200 })).token : undefined;

const rowsOf = query((db) =>
  db
    .select({ item: event.item, title: item.title, kind: event.kind, value: event.value, atMs: event.atMs })
    .from(event)
    .leftJoin(item, eq(item.key, event.item))
    .where(
      and(
        eq(event.person, bound('person')),
        eq(event.category, bound('category')),
        gte(event.atMs, bound('sinceMs')),
      ),
    )
    .orderBy(desc(event.atMs), desc(event.kind), desc(event.item))
    .limit(bound('limit'))
    .offset(bound('offset')),
);

const app = await buildApp({
  parts: core.operations,
  recommender: createRecommender(core.operations),
  gate: core.gate,
  config,
  prover: core.prover,
  publisher: core.publisher,
  proveDpop: oauth.proveDpop,
  identify: oauth.identify,
  logLevel: 'error',
  surfaces: [
    (scope) => {
      scope.get<{ Params: { category: string }; Querystring: { purpose: string; limit: string } }>(
        '/bare/data/:category',
        async (request) => {
          const { category } = request.params;
          const presented = presentedToken(request);
          const rows = await core.store.read(async (reader) => {
            const { person } = await oauth.identify(reader, presented, undefined);
            return reader.run(rowsOf, {
              person,
              category,
              sinceMs: 0,
              limit: Number(request.query.limit),
              offset: 0,
            });
          });
          return {
            category,
            purpose: request.query.purpose,
            attributes: [],
            events: rows.map(({ atMs, ...row }) => ({ ...row, at: new Date(atMs).toISOString() })),
          };
        },
      );
    },
  ],
});
await app.fastify.listen({ host: '127.0.0.1', port });
process.send?.({ url: `http://127.0.0.1:${port}`, token });
process.on('message', () => process.send?.(core.store.figures()));
process.on('SIGTERM', () => {
  void app.fastify
    .close()
    .then(() => core.close())
    .then(() => process.exit(0));
});
