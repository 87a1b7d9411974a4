import type { Feed, Hex } from "@verifiable-oracle/client";

import { useLoaded } from "../../app/loaded.js";
import { modelFile } from "../../app/public-files.js";
import { config } from "../../app/settings.js";
import type { Trust } from "../../app/trust.js";
import { BandModel } from "./band.js";
import { Graph } from "./onnx.js";

/**
 * Return what a public model would accept, by the model file that the site serves; null while it is not known, if the model
 * is private, or if its file is not served or can't be evaluated here.
 */
export function useBand(feed: Feed, trust: Trust | undefined): BandModel | null {
  const hash: Hex | null = trust?.model.architecture.bindsModel === false ? trust.model.artifactHash : null;
  const band = useLoaded(async () => {
    if (hash === null || trust === undefined) return null;
    const { features } = trust.model.architecture;
    const file = BandModel.canShow(features) ? await modelFile(config.value.publicFiles, hash) : null;
    try {
      return file === null ? null : new BandModel(Graph.read(file), features, feed.terms, feed.modelNumber);
    } catch {
      return null; // a picture less; the round's check says all
    }
  }, [feed.id, hash]);
  return band.value ?? null;
}
