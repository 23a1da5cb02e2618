// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAuditAnchor} from "./IAuditAnchor.sol";

/// @title AuditAnchor
/// @dev Nothing here can lower or delete a head, and there is no proxy behind which that could change.
/// A head fills two slots that every anchor overwrites; the history is in the events. Fresh slots for each
/// anchor would cost 20,000 gas more, and far more where EIP-8037 applies.
contract AuditAnchor is IAuditAnchor {
    mapping(bytes32 logId => Head) private _heads;
    mapping(bytes32 logId => address) private _submitters;
    address private _admin;
    address private _pendingAdmin;

    constructor(address firstAdmin) {
        if (firstAdmin == address(0)) revert AdminIsZero();
        _admin = firstAdmin;
        emit AdminTransferred(address(0), firstAdmin);
    }

    /// @inheritdoc IAuditAnchor
    function anchor(
        bytes32 logId,
        uint64 size,
        bytes32 root,
        bytes32 checkpointHash,
        bytes32[] calldata proof
    ) external {
        if (msg.sender != _submitters[logId]) revert NotSubmitter(logId, msg.sender);
        Head storage stored = _heads[logId];
        uint64 storedSize = stored.size;
        bytes32 prevRoot = stored.root;
        if (size <= storedSize) revert SizeNotLarger(storedSize, size);
        bool consistent =
            storedSize == 0 ? proof.length == 0 : _extends(storedSize, prevRoot, size, root, proof);
        if (!consistent) revert NotConsistent(storedSize, size);

        uint64 seq = stored.seq + 1;
        _heads[logId] = Head({root: root, size: size, seq: seq, anchoredAt: uint64(block.timestamp)});
        emit Anchored(logId, seq, size, root, prevRoot, checkpointHash);
    }

    /// @inheritdoc IAuditAnchor
    function setSubmitter(bytes32 logId, address submitter) external {
        if (msg.sender != _admin) revert NotAdmin(msg.sender);
        _submitters[logId] = submitter;
        emit SubmitterSet(logId, submitter);
    }

    /// @inheritdoc IAuditAnchor
    function transferAdmin(address to) external {
        if (msg.sender != _admin) revert NotAdmin(msg.sender);
        _pendingAdmin = to;
        emit AdminTransferStarted(msg.sender, to);
    }

    /// @inheritdoc IAuditAnchor
    function acceptAdmin() external {
        if (msg.sender != _pendingAdmin) revert NotPendingAdmin(msg.sender);
        address from = _admin;
        _admin = msg.sender;
        _pendingAdmin = address(0);
        emit AdminTransferred(from, msg.sender);
    }

    /// @inheritdoc IAuditAnchor
    function head(bytes32 logId) external view returns (Head memory) {
        return _heads[logId];
    }

    /// @inheritdoc IAuditAnchor
    function submitterOf(bytes32 logId) external view returns (address) {
        return _submitters[logId];
    }

    /// @inheritdoc IAuditAnchor
    function admin() external view returns (address) {
        return _admin;
    }

    /// @inheritdoc IAuditAnchor
    function pendingAdmin() external view returns (address) {
        return _pendingAdmin;
    }

    /// @dev RFC 9162 section 2.1.4.2, for 0 < m < n. The loop ends by itself: a step with sn = 0 refuses, and
    /// every step halves sn, which has at most 64 bits.
    function _extends(uint64 m, bytes32 rootM, uint64 n, bytes32 rootN, bytes32[] calldata proof)
        private
        pure
        returns (bool)
    {
        uint256 length = proof.length;
        if (length == 0) return false;
        // A subtraction cannot wrap (m and n are not 0), nor can i (the proof fits into calldata).
        unchecked {
            uint256 fn = uint256(m) - 1;
            uint256 sn = uint256(n) - 1;
            while (fn & 1 == 1) {
                fn >>= 1;
                sn >>= 1;
            }
            // The first tree is one full subtree when m is a power of two: its root starts the path.
            uint256 i = fn == 0 ? 0 : 1;
            bytes32 fr = fn == 0 ? rootM : proof[0];
            bytes32 sr = fr;
            for (; i < length; ++i) {
                if (sn == 0) return false;
                bytes32 c = proof[i];
                if (fn & 1 == 1 || fn == sn) {
                    // As long as nothing was joined from the right, both trees have walked the same path.
                    bytes32 next = _node(c, fr);
                    sr = sr == fr ? next : _node(c, sr);
                    fr = next;
                    while (fn & 1 == 0 && fn != 0) {
                        fn >>= 1;
                        sn >>= 1;
                    }
                } else {
                    sr = _node(sr, c);
                }
                fn >>= 1;
                sn >>= 1;
            }
            return fr == rootM && sr == rootN && sn == 0;
        }
    }

    /// @dev RFC 6962 section 2.1: the hash of an inner node.
    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
