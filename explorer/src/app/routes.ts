import type { Hex } from "@verifiable-oracle/client";

/** A page, and what it is about. Places are in the URL's hash, so a static server serves every page. */
export type Route =
  | { readonly page: "feeds" }
  | { readonly page: "feed"; readonly feedId: Hex }
  | { readonly page: "round"; readonly feedId: Hex; readonly roundId: number }
  | { readonly page: "report"; readonly feedId: Hex; readonly transaction: Hex; readonly logIndex: number }
  | { readonly page: "models" }
  | { readonly page: "model"; readonly modelNumber: number }
  | { readonly page: "claims" }
  | { readonly page: "settings" }
  | { readonly page: "missing"; readonly path: string };

const WORD = /^0x[0-9a-f]{64}$/;
const NUMBER = /^\d{1,10}$/;

/** Return the route of a URL's hash, for instance `#/feed/0x…/round/7`; "missing" if no page is there. */
export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#?\/?/, "").split("?")[0] ?? "";
  const parts = path.split("/").filter((part) => part !== "");
  const [page, second, third, fourth, fifth] = parts;
  switch (page) {
    case undefined:
      return { page: "feeds" };
    case "feed": {
      if (!isWord(second)) break;
      if (parts.length === 2) return { page: "feed", feedId: second };
      if (parts.length === 4 && third === "round" && isNumber(fourth)) {
        return { page: "round", feedId: second, roundId: Number(fourth) };
      }
      if (parts.length === 5 && third === "report" && isWord(fourth) && isNumber(fifth)) {
        return { page: "report", feedId: second, transaction: fourth, logIndex: Number(fifth) };
      }
      break;
    }
    case "models":
      if (parts.length === 1) return { page: "models" };
      break;
    case "model":
      if (parts.length === 2 && isNumber(second)) return { page: "model", modelNumber: Number(second) };
      break;
    case "claims":
      if (parts.length === 1) return { page: "claims" };
      break;
    case "settings":
      if (parts.length === 1) return { page: "settings" };
      break;
  }
  return { page: "missing", path };
}

/** Return the hash of a route: the inverse of `parseRoute`. */
export function hrefOf(route: Route): string {
  switch (route.page) {
    case "feeds":
      return "#/";
    case "feed":
      return `#/feed/${route.feedId}`;
    case "round":
      return `#/feed/${route.feedId}/round/${String(route.roundId)}`;
    case "report":
      return `#/feed/${route.feedId}/report/${route.transaction}/${String(route.logIndex)}`;
    case "model":
      return `#/model/${String(route.modelNumber)}`;
    case "missing":
      return `#/${route.path}`;
    default:
      return `#/${route.page}`;
  }
}

function isWord(text: string | undefined): text is Hex {
  return text !== undefined && WORD.test(text);
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && NUMBER.test(text);
}
