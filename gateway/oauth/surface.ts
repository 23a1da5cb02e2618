// OAuth as the rest of the gateway sees it: its routes, and who stands behind a token.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import type { Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import type { Gate } from '../gate.ts';
import type { Keys } from '../key-files.ts';
import type { Reader, Store } from '../store/store.ts';
import type { System } from '../system.ts';
import { checkDpop } from './dpop.ts';
import { interactionRoutes, type InteractionOptions } from './interactions.ts';
import { mountOauth } from './mount.ts';
import { createProvider, resourceOf } from './provider.ts';
import { identifyPartner, type IdentifiedPartner, type PresentedToken } from './tokens.ts';

export interface OauthSurface {
  readonly provider: Provider;
  /** Mounts `/oidc` and the well-known documents. */
  routes(app: FastifyInstance): Promise<void>;
  /** The sign-in and consent steps, with the portal's session and page. */
  interactions(
    app: FastifyInstance,
    portal: Pick<InteractionOptions, 'currentPerson' | 'languageOf' | 'renderConsent'>,
  ): Promise<void>;
  /** Checks the proof that comes with a DPoP token. @throws GatewayError `invalid_token` */
  proveDpop(request: FastifyRequest, presented: PresentedToken): Promise<string | undefined>;
  /** @throws GatewayError `invalid_token` */
  identify(reader: Reader, presented: PresentedToken, jkt: string | undefined): Promise<IdentifiedPartner>;
}

export interface OauthCore {
  readonly config: Config;
  readonly keys: Keys;
  readonly store: Store;
  readonly gate: Gate;
  readonly system: System;
}

export function oauthSurface({ config, keys, store, gate, system }: OauthCore): OauthSurface {
  // Failures come without a request of ours, so they go to the application they are mounted in.
  let hear = (_error: unknown): void => undefined;
  const onError = (error: unknown): void => hear(error);
  const provider = createProvider({ config, keys, store, gate, system, onError });
  const audience = resourceOf(config);
  return {
    provider,
    routes(app) {
      hear = (error) => app.log.error({ err: error }, 'authorization server failed');
      return mountOauth(app, { provider, config });
    },
    interactions: (app, portal) =>
      interactionRoutes(app, { provider, config, store, gate, system, ...portal }),
    async proveDpop(request, { scheme, token }) {
      if (scheme !== 'DPoP') return undefined;
      const proof = request.headers['dpop'];
      if (typeof proof !== 'string') throw new GatewayError('invalid_token', 'a DPoP token needs a proof');
      const { jkt } = await checkDpop(
        { store, system },
        { proof, token, method: request.method, url: `${config.publicUrl}${request.url}` },
      );
      return jkt;
    },
    identify: (reader, presented, jkt) =>
      identifyPartner(
        reader,
        { ...presented, ...(jkt === undefined ? {} : { dpopProof: { jkt } }) },
        system.clock.nowMs(),
        audience,
      ),
  };
}
