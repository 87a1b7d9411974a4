/** Numbers, times and hashes as people read them. */

const GROUP = "\u202f";

/**
 * Return an answer with its decimals: digits of the whole part in groups of three, and the trailing zeros of the fraction
 * left out, but for `least` of them.
 *
 * @param answer In units of 10^-decimals.
 */
export function answerText(answer: bigint, decimals: number, least = Math.min(2, decimals)): string {
  const sign = answer < 0n ? "−" : "";
  const digits = (answer < 0n ? -answer : answer).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "").padEnd(least, "0");
  return `${sign}${grouped(whole)}${fraction === "" ? "" : `.${fraction}`}`;
}

/**
 * Return an answer with as many decimals as people read: seven digits, or two decimals, whichever is more. It is cut, and
 * not rounded: a page never shows an answer that is larger than the real one.
 */
export function answerShort(answer: bigint, decimals: number): string {
  const size = answer < 0n ? -answer : answer;
  const digits = size.toString().length;
  const shown = Math.max(Math.min(2, decimals), Math.min(decimals, 7 - (digits - decimals)));
  const cut = decimals - shown;
  if (cut <= 0) return answerText(answer, decimals);
  return answerText(answer / 10n ** BigInt(cut), shown);
}

/** Return an answer as the nearest number, for drawing only. */
export function answerNumber(answer: bigint, decimals: number): number {
  return Number(answer) / 10 ** decimals;
}

/** Return an integer with its digits in groups of three. */
export function countText(value: bigint | number): string {
  const text = value.toString();
  return text.startsWith("-") ? `−${grouped(text.slice(1))}` : grouped(text);
}

/** Return thousandths of sigma as sigmas: "−1.25 σ". */
export function sigmaText(thousandths: number, digits = 2): string {
  const value = (Math.abs(thousandths) / 1_000).toFixed(digits);
  const isZero = Number(value) === 0;
  return `${thousandths < 0 && !isZero ? "−" : ""}${value} σ`;
}

/** Return the change from one answer to another: "+1.24 %"; null if it can't be told as a share. */
export function changeText(from: bigint, to: bigint): string | null {
  if (from <= 0n || to <= 0n) return null;
  const share = Number(((to - from) * 1_000_000n) / from) / 10_000;
  const text = Math.abs(share).toFixed(2);
  return `${Number(text) === 0 ? "±" : share < 0 ? "−" : "+"}${text} %`;
}

/** Return a number of seconds as the largest unit that says it: "42 s", "7 min", "3 h", "12 d", "2.1 y". */
export function ageText(seconds: number): string {
  const age = Math.max(0, Math.floor(seconds));
  if (age < 60) return `${String(age)} s`;
  if (age < 3_600) return `${String(Math.floor(age / 60))} min`;
  if (age < 86_400 * 2) {
    const hours = Math.floor(age / 3_600);
    const minutes = Math.floor((age % 3_600) / 60);
    return hours < 10 && minutes > 0 ? `${String(hours)} h ${String(minutes)} min` : `${String(hours)} h`;
  }
  if (age < 86_400 * 730) return `${String(Math.floor(age / 86_400))} d`;
  return `${(age / (86_400 * 365.25)).toFixed(1)} y`;
}

/** Return a duration of terms: whole units as far as they go. "1 h", "90 s", "1 d". */
export function durationText(seconds: number): string {
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `${String(seconds / size)} ${unit}`;
  }
  return seconds < 600 ? `${String(seconds)} s` : ageText(seconds);
}

/** Return a time as a date, in the reader's own zone: "30 Nov 2026, 18:04:05". */
export function dateText(time: number): string {
  return new Date(time * 1_000).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

/** Return a time as a short date: "30 Nov, 18:04". The year is said if it is another one than `now`'s. */
export function shortDate(time: number, now = Date.now() / 1_000): string {
  const [date, today] = [new Date(time * 1_000), new Date(now * 1_000)];
  const day = { day: "numeric", month: "short" } as const;
  const clock = { hour: "2-digit", minute: "2-digit" } as const;
  const isThisYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleString("en-GB", isThisYear ? { ...day, ...clock } : { ...day, year: "numeric", ...clock });
}

/** Return an address or a hash with its middle left out: "0x1234…cdef". */
export function shortHex(value: string): string {
  return value.length <= 14 ? value : `${value.slice(0, 6)}…${value.slice(-4)}`;
}

function grouped(digits: string): string {
  return digits.length <= 4 ? digits : digits.replace(/\B(?=(?:\d{3})+$)/g, GROUP);
}
