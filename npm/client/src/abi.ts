/** The ABIs of the oracle's contracts, as the package of contracts has them: one constant a contract. */
export * from "@verifiable-oracle/contracts/abi";
