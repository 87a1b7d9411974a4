// SPDX-License-Identifier: MIT
pragma circom 2.1.0;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";

// The quadratic detector (oracle/detectors/kinds/quadratic.py) as one would write it by hand for Groth16. The benchmark
// compares it with the project's proof of the same weights: the window is public, the weights are hidden behind their
// hash, and the proof says that the model with this hash objects to the window, or that it does not.
//
// The window is clipped by whoever checks the proof, as the hub does it: the circuit does not look at its range. The
// weights are those that the hash was published for.

// `out` is 1 if 0 < in <= 2^bits, and 0 if -2^bits < in <= 0. Nothing else has a witness.
template Positive(bits) {
    signal input in;
    signal output out;

    component digits = Num2Bits(bits + 1);
    digits.in <== in + (1 << bits) - 1;
    out <== digits.out[bits];
}

// The Poseidon hash of all weights: of the past moves, the floor, the drift's floor, and the drift's past, in this order.
// The two floors share an element, so that one permutation takes 14 past weights. Their ranges are checked: otherwise
// many pairs of floors would have the same sum.
template WeightsHash(past, floorBits) {
    signal input weights[past + 3];
    signal output out;

    component ranges[2];
    for (var i = 0; i < 2; i++) {
        ranges[i] = Num2Bits(floorBits);
        ranges[i].in <== weights[past + i];
    }
    component hash = Poseidon(past + 2);
    for (var i = 0; i < past; i++) hash.inputs[i] <== weights[i];
    hash.inputs[past] <== weights[past] + weights[past + 1] * (1 << floorBits);
    hash.inputs[past + 1] <== weights[past + 2];
    out <== hash.out;
}

// window: the move now, the past moves from the newest on, the gap.
// scale: weights are multiples of 2^-scale.
// bits: no score of these weights is larger in magnitude than 2^bits.
template Quadratic(past, scale, bits) {
    signal input window[past + 2];
    signal input weights[past + 3];
    signal output weightsHash;
    signal output held;

    component hash = WeightsHash(past, 48);
    hash.weights <== weights;
    weightsHash <== hash.out;

    var gap = past + 1;
    signal squares[past + 1];
    signal weighted[past];
    var total = 0;
    for (var i = 0; i <= past; i++) {
        squares[i] <== window[i] * window[i];
        total += window[i];
    }
    var predicted = weights[past];
    var spread = 0;
    for (var i = 0; i < past; i++) {
        weighted[i] <== weights[i] * squares[i + 1];
        predicted += weighted[i];
        spread += squares[i + 1];
    }
    signal spikeLimit <== window[gap] * predicted;
    signal totalSquare <== total * total;
    signal weightedSpread <== weights[past + 2] * spread;
    signal driftLimit <== window[gap] * (weights[past + 1] + weightedSpread);

    component spike = Positive(bits);
    component drift = Positive(bits);
    spike.in <== squares[0] * (1 << scale) - spikeLimit;
    drift.in <== totalSquare * (1 << scale) - driftLimit;
    held <== spike.out + drift.out - spike.out * drift.out;
}
