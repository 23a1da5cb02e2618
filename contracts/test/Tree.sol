// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev RFC 6962 section 2.1 word for word, recursive and slow: what the contract is compared with.
library Tree {
    /// @dev Leaf number `index` of the log called `salt`: any two differ.
    function leaf(uint256 salt, uint256 index) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), salt, index));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @dev The largest power of two below n, for n > 1.
    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    /// @dev MTH(D[start:end]).
    function root(uint256 salt, uint256 start, uint256 end) internal pure returns (bytes32) {
        uint256 n = end - start;
        if (n == 0) return sha256('');
        if (n == 1) return leaf(salt, start);
        uint256 middle = start + split(n);
        return node(root(salt, start, middle), root(salt, middle, end));
    }

    /// @dev PROOF(m, D[0:n]), section 2.1.2.
    function consistency(uint256 salt, uint256 m, uint256 n) internal pure returns (bytes32[] memory) {
        if (m == 0 || m == n) return new bytes32[](0);
        return _subproof(salt, m, 0, n, true);
    }

    function _subproof(
        uint256 salt,
        uint256 m,
        uint256 start,
        uint256 end,
        bool whole
    ) private pure returns (bytes32[] memory) {
        uint256 n = end - start;
        if (m == n) return whole ? new bytes32[](0) : _append(new bytes32[](0), root(salt, start, end));
        uint256 k = split(n);
        if (m <= k) {
            return _append(_subproof(salt, m, start, start + k, whole), root(salt, start + k, end));
        }
        return _append(_subproof(salt, m - k, start + k, end, false), root(salt, start, start + k));
    }

    function _append(bytes32[] memory list, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) longer[i] = list[i];
        longer[list.length] = last;
    }
}
