import { EndpointError, type Endpoint, type Hex } from "@verifiable-oracle/client";

/**
 * Return the number of the block that has a transaction.
 *
 * @throws EndpointError if the endpoint does not have it.
 */
export async function blockOfReport(endpoint: Endpoint, transaction: Hex): Promise<bigint> {
  const method = "eth_getTransactionReceipt";
  const found = await endpoint.request(method, [transaction]);
  const number = typeof found === "object" && found !== null && "blockNumber" in found ? found.blockNumber : null;
  if (typeof number === "string" && /^0x[0-9a-f]+$/i.test(number)) return BigInt(number);
  throw new EndpointError(
    endpoint.name,
    method,
    "history",
    "",
    `does not have the transaction ${transaction}`,
    "Check the address of this page, or take another endpoint in the settings.",
  );
}
