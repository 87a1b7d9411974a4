import type { Hex } from "viem";

/**
 * −[τ]₂ of the public ceremony (perpetual powers of tau), as verifiers that ezkl generates have it:
 * `neg_s_g2_x_1`, `x_2`, `y_1`, `y_2`.
 */
export const CEREMONY_NEG_S_G2 = [
  0x186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5acn,
  0x17944351223333f260ddc3b4af45191b856689eda9eab5cbcddbbe570ce860d2n,
  0x06d971ff4a7467c3ec596ed6efc674572e32fd6f52b721f97e35b0b3d3546753n,
  0x06ecdb9f9567f59ed2eee36e1e1d58797fd13cc97fafc2910f5e8a12f202fa9an,
] as const;

/** The set-up that a verifier's code names: the public ceremony's, or one that its maker may be able to forge with. */
export type Setup = "ceremony" | "insecure";

/**
 * Return the set-up that a verifier's code names, at first sight: whether the ceremony's four numbers are in the code. A
 * forger could put them there unused, so this is enough to warn by, and not to trust by: a check runs the code, and
 * looks at what the pairing gets.
 */
export function setupOf(code: Hex): Setup {
  const lower = code.toLowerCase();
  // The compiler writes a number without its leading zeros.
  return CEREMONY_NEG_S_G2.every((word) => lower.includes(pushed(word))) ? "ceremony" : "insecure";
}

/** Return the number as PUSH pushes it: the opcode, and as many bytes as it has. */
function pushed(word: bigint): string {
  const hex = word.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return (0x5f + even.length / 2).toString(16) + even;
}
