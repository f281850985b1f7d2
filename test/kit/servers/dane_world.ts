// The servers of the DANE scenes: a signed tree of zones, and an exchanger for each scene.
import { authorityUnder, selfMadeAuthority } from "../memory/authority.ts";
import { selfSigned } from "../memory/self_signed.ts";
import {
  chainOf,
  DANE_PORT,
  type PlacedScene,
  placedScenes,
  type SceneChain,
  zonesOf,
} from "../scenes/dane_scenes.ts";
import { startSignedDns } from "./signed_dns.ts";
import { type SmtpPeer, startSmtpPeer } from "./smtp_peer.ts";

/** A scene that is being played. */
export interface LiveScene extends PlacedScene {
  readonly chain: SceneChain;
  readonly peer: SmtpPeer;
}

export interface DaneWorld {
  readonly scenes: readonly LiveScene[];
  stop(): Promise<void>;
}

/** Starts them; the resolver listens on port 53 of `resolver`. Needs root. */
export async function startDaneWorld(resolver: string): Promise<DaneWorld> {
  const root = selfMadeAuthority("Root");
  const signer = authorityUnder(root, "Signer");
  const placed = placedScenes().map((each) => ({ ...each, chain: chainOf(each, root, signer, selfSigned) }));
  const dns = await startSignedDns(resolver, zonesOf(placed));
  const scenes = await Promise.all(placed.map(async (each): Promise<LiveScene> => {
    const { server } = each.chain;
    const certificate = each.scene.certificate === "self-signed"
      ? server.certificate
      : server.certificate + signer.certificate;
    const tls = { certificate, key: server.key };
    const script = each.scene.certificate === "none" ? {} : { tls };
    return { ...each, peer: await startSmtpPeer(script, { host: each.address, port: DANE_PORT }) };
  }));
  return {
    scenes,
    async stop() {
      await Promise.all(scenes.map(({ peer }) => peer.close()));
      await dns.stop();
    },
  };
}
