// Reads the small ONNX graphs of public models, and evaluates them for one window. Numbers are doubles: enough to draw by.
// What decides is the proof, which a check verifies.

/** A graph that can't be read or evaluated here. */
export class GraphError extends Error {
  override readonly name = "GraphError";
}

interface Node {
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A graph: from one window's features to its scores. */
export class Graph {
  private constructor(
    private readonly nodes: readonly Node[],
    private readonly constants: ReadonlyMap<string, readonly number[]>,
    private readonly input: string,
    private readonly output: string,
  ) {}

  /**
   * Return the graph of a file.
   *
   * @throws GraphError if it has operators that are not known here.
   */
  static read(file: Uint8Array): Graph {
    const graph = fields(file).find(({ id }) => id === 7)?.bytes;
    if (graph === undefined) throw new GraphError("the file has no graph");
    const nodes: Node[] = [];
    const constants = new Map<string, readonly number[]>();
    const [inputs, outputs]: [string[], string[]] = [[], []];
    for (const { id, bytes } of fields(graph)) {
      if (bytes === undefined) continue;
      if (id === 1) nodes.push(nodeOf(bytes));
      else if (id === 5) constants.set(...tensorOf(bytes));
      else if (id === 11) inputs.push(nameOf(bytes));
      else if (id === 12) outputs.push(nameOf(bytes));
    }
    const unknown = nodes.find((node) => !(node.kind in OPERATORS));
    if (unknown !== undefined) throw new GraphError(`the operator ${unknown.kind} is not known here`);
    const input = inputs.find((name) => !constants.has(name));
    const [output] = outputs;
    if (input === undefined || output === undefined) throw new GraphError("the graph has no input or no output");
    return new Graph(nodes, constants, input, output);
  }

  /** Return the scores of one window. */
  scores(window: readonly number[]): readonly number[] {
    const values = new Map<string, readonly number[]>([...this.constants, [this.input, window]]);
    for (const node of this.nodes) {
      const [name] = node.outputs;
      const found = node.inputs.map((each) => values.get(each) ?? []);
      if (name !== undefined) values.set(name, (OPERATORS[node.kind] ?? missing)(found));
    }
    const scores = values.get(this.output);
    if (scores === undefined) throw new GraphError("the graph does not compute its output");
    return scores;
  }
}

type Operator = (inputs: readonly (readonly number[])[]) => readonly number[];

const missing: Operator = () => {
  throw new GraphError("an operator is not known here");
};

const OPERATORS: Readonly<Partial<Record<string, Operator>>> = {
  Gather: ([from = [], at = []]) => at.map((index) => from[index] ?? Number.NaN),
  Mul: elementwise((a, b) => a * b),
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Max: elementwise(Math.max),
  Min: elementwise(Math.min),
  ReduceSum: ([values = []]) => [values.reduce((sum, each) => sum + each, 0)],
  Concat: (inputs) => inputs.flat(),
  Identity: ([values = []]) => values,
  // A row times a matrix of as many rows; the matrix's rows follow each other.
  MatMul: ([row = [], matrix = []]) => {
    const columns = matrix.length / row.length;
    return Array.from({ length: columns }, (_, j) => row.reduce((sum, each, i) => sum + each * (matrix[i * columns + j] ?? Number.NaN), 0));
  },
};

function elementwise(apply: (a: number, b: number) => number): Operator {
  return ([one = [], other = []]) =>
    Array.from({ length: Math.max(one.length, other.length) }, (_, i) =>
      apply(one[one.length === 1 ? 0 : i] ?? Number.NaN, other[other.length === 1 ? 0 : i] ?? Number.NaN),
    );
}

interface Field {
  readonly id: number;
  readonly bytes: Uint8Array | undefined;
  readonly value: bigint;
}

/** The fields of a message, in protocol buffers' form. */
function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined || shift > 63n) throw new GraphError("the file is cut off, or no ONNX file");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  const skip = (length: number): Uint8Array => {
    if (length < 0 || at + length > message.length) throw new GraphError("the file is cut off, or no ONNX file");
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = number();
    const id = Number(key >> 3n);
    switch (key & 7n) {
      case 0n:
        found.push({ id, bytes: undefined, value: number() });
        break;
      case 1n:
        found.push({ id, bytes: skip(8), value: 0n });
        break;
      case 2n:
        found.push({ id, bytes: skip(Number(number())), value: 0n });
        break;
      case 5n:
        found.push({ id, bytes: skip(4), value: 0n });
        break;
      default:
        throw new GraphError("the file is no ONNX file");
    }
  }
  return found;
}

function nodeOf(message: Uint8Array): Node {
  const parts = fields(message);
  const texts = (wanted: number): string[] => parts.filter(({ id }) => id === wanted).map(({ bytes }) => textOf(bytes));
  const kind = texts(4)[0] ?? "";
  const attributes = parts.filter(({ id }) => id === 5).map(({ bytes }) => fields(bytes ?? new Uint8Array()));
  const axis = attributes.find((each) => each.some(({ id, bytes }) => id === 1 && textOf(bytes) === "axis"));
  const isByColumns = axis?.find(({ id }) => id === 3)?.value === 1n;
  if ((kind === "Gather" || kind === "Concat") && !isByColumns) throw new GraphError("it takes several windows at once");
  return { inputs: texts(1), outputs: texts(2), kind };
}

function tensorOf(message: Uint8Array): [string, readonly number[]] {
  const parts = fields(message);
  const kind = Number(parts.find(({ id }) => id === 2)?.value ?? 0n);
  const raw = parts.find(({ id }) => id === 9)?.bytes;
  const name = textOf(parts.find(({ id }) => id === 8)?.bytes);
  if (raw === undefined) throw new GraphError(`the constant ${name} is of a form that is not known here`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (kind === 1) return [name, Array.from({ length: raw.length / 4 }, (_, i) => view.getFloat32(4 * i, true))];
  if (kind === 7) return [name, Array.from({ length: raw.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)))];
  throw new GraphError(`the constant ${name} is of a type that is not known here`);
}

function nameOf(message: Uint8Array): string {
  return textOf(fields(message).find(({ id }) => id === 1)?.bytes);
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
