// SPDX-License-Identifier: MIT
pragma circom 2.1.0;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";

// The default detector (a polynomial of oracle/detectors/trainers/peers.py, with one peer and three past moves) as one
// would write it by hand for Groth16. The benchmark compares it with the project's proof of the same weights: the window is
// public, the weights are hidden behind their salted hash, and the proof says that the model with this hash objects to
// the window, or that it does not.
//
// The window is clipped by whoever checks the proof, as the hub does it: the circuit does not look at its range. The
// weights are those that the hash was published for. A comparison is exact here, so no number needs a margin.

// `out` is 1 if 0 < in <= 2^bits, and 0 if -2^bits < in <= 0. Nothing else has a witness.
template Positive(bits) {
    signal input in;
    signal output out;

    component digits = Num2Bits(bits + 1);
    digits.in <== in + (1 << bits) - 1;
    out <== digits.out[bits];
}

// window: the move now, the past moves from the newest on, the variance, the peer's move, 1 if it is seen, the gap.
// weights: the limit's floor, of the past squares, of the variance; of the move's square, of the product, of the peer's
// square.
// scale: weights are multiples of 2^-scale.
// bits: no score of these weights is larger in magnitude than 2^bits.
template Peers(past, scale, bits) {
    signal input window[past + 5];
    signal input weights[6];
    signal input salt;
    signal output weightsHash;
    signal output held;

    component hash = Poseidon(7);
    for (var i = 0; i < 6; i++) hash.inputs[i] <== weights[i];
    hash.inputs[6] <== salt;
    weightsHash <== hash.out;

    var variance = past + 1;
    var peer = past + 2;
    var seen = past + 3;
    var gap = past + 4;

    signal squares[past + 1];
    var spread = 0;
    for (var i = 0; i <= past; i++) {
        squares[i] <== window[i] * window[i];
        if (i > 0) spread += squares[i];
    }
    signal weightedSpread <== weights[1] * spread;
    signal weightedVariance <== weights[2] * window[variance];
    signal limit <== window[gap] * (weights[0] + weightedSpread + weightedVariance);

    signal product <== window[0] * window[peer];
    signal peerSquare <== window[peer] * window[peer];
    signal measured[3];
    measured[0] <== weights[3] * squares[0];
    measured[1] <== weights[4] * product;
    measured[2] <== weights[5] * peerSquare;

    component own = Positive(bits);
    component beside = Positive(bits);
    own.in <== squares[0] * (1 << scale) - limit;
    beside.in <== measured[0] - measured[1] - measured[2] - limit;
    signal besideSeen <== beside.out * window[seen];
    held <== own.out + besideSeen - own.out * besideSeen;
}
