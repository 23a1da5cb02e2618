// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAuditAnchor} from './IAuditAnchor.sol';

/// @title AuditAnchor
/// @dev Nothing here can lower or delete a head, and there is no proxy behind which that could change.
/// A log fills two slots that every anchor overwrites; the history is in the events. Fresh slots for each
/// anchor would cost 20,000 gas more, and far more where EIP-8037 applies.
contract AuditAnchor is IAuditAnchor {
    /// @dev Everything but the root shares one slot, which saves an anchor 2,100 gas. Room for 10^12 leaves
    /// (40 bits, as the leaf index of C2SP static-ct-api), 16 million anchors, and times until the year 2106.
    struct Log {
        bytes32 root;
        address submitter;
        uint40 size;
        uint24 seq;
        uint32 anchoredAt;
    }

    mapping(bytes32 logId => Log) private _logs;
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
        Log storage log = _logs[logId];
        (address submitter, uint64 storedSize, uint24 seq) = (log.submitter, log.size, log.seq);
        bytes32 prevRoot = log.root;
        if (msg.sender != submitter) revert NotSubmitter(logId, msg.sender);
        if (size <= storedSize) revert SizeNotLarger(storedSize, size);
        if (size > type(uint40).max) revert SizeTooLarge(size);
        bool consistent =
            storedSize == 0 ? proof.length == 0 : _extends(storedSize, prevRoot, size, root, proof);
        if (!consistent) revert NotConsistent(storedSize, size);

        seq += 1;
        log.root = root;
        log.size = uint40(size);
        log.seq = seq;
        log.anchoredAt = uint32(block.timestamp);
        emit Anchored(logId, seq, size, root, prevRoot, checkpointHash);
    }

    /// @inheritdoc IAuditAnchor
    function setSubmitter(bytes32 logId, address submitter) external {
        if (msg.sender != _admin) revert NotAdmin(msg.sender);
        _logs[logId].submitter = submitter;
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
        Log storage log = _logs[logId];
        return Head({root: log.root, size: log.size, seq: log.seq, anchoredAt: log.anchoredAt});
    }

    /// @inheritdoc IAuditAnchor
    function submitterOf(bytes32 logId) external view returns (address) {
        return _logs[logId].submitter;
    }

    /// @inheritdoc IAuditAnchor
    function admin() external view returns (address) {
        return _admin;
    }

    /// @inheritdoc IAuditAnchor
    function pendingAdmin() external view returns (address) {
        return _pendingAdmin;
    }

    /// @dev RFC 9162 section 2.1.4.2, for 0 < m < n. fn and sn are the last nodes of the two trees at the level
    /// reached; fr and sr are the roots gathered so far. Where the RFC shifts after hashing "until fn is odd or
    /// 0", this shifts just before the next hash: the same nodes in the same order, and no step with fn = 0.
    function _extends(
        uint64 m,
        bytes32 rootM,
        uint64 n,
        bytes32 rootN,
        bytes32[] calldata proof
    ) private pure returns (bool) {
        // Neither subtraction can wrap (m and n are not 0), nor can i (the proof fits into calldata).
        unchecked {
            uint256 length = proof.length;
            uint256 fn = uint256(m) - 1;
            uint256 sn = uint256(n) - 1;
            while (fn & 1 == 1) {
                fn >>= 1;
                sn >>= 1;
            }
            // When m is a power of two, the first tree is one full subtree and its root starts the path.
            uint256 i = 0;
            bytes32 fr = rootM;
            if (fn != 0) {
                if (length == 0) return false;
                fr = proof[0];
                i = 1;
            }
            bytes32 sr = fr;
            for (; i < length; ++i) {
                bytes32 c = proof[i];
                if (fn & 1 == 0) {
                    if (fn != sn) {
                        // A right neighbour, which only the larger tree has.
                        sr = _node(sr, c);
                        fn >>= 1;
                        sn >>= 1;
                        continue;
                    }
                    if (sn == 0) return false;
                    do {
                        fn >>= 1;
                        sn >>= 1;
                    } while (fn & 1 == 0);
                }
                fr = _node(c, fr);
                sr = _node(c, sr);
                fn >>= 1;
                sn >>= 1;
            }
            return sn == 0 && fr == rootM && sr == rootN;
        }
    }

    /// @dev RFC 6962 section 2.1: the hash of an inner node.
    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
