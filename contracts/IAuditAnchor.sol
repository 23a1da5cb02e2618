// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Heads of append-only logs, each provably an extension of the one before
/// @notice A log is an RFC 6962 Merkle tree over SHA-256. The contract keeps the newest head of each log and
/// accepts a larger one only with a consistency proof, so the chain itself refuses a rewritten history.
/// Heads are cumulative: a later one covers every leaf of those before, so a lost anchor is simply superseded.
interface IAuditAnchor {
    /// @notice The newest head of one log. All zero while nothing is anchored.
    /// @param root RFC 6962 root of the first `size` leaves
    /// @param size number of leaves
    /// @param seq number of anchors of this log so far; the first anchor has 1
    /// @param anchoredAt time of the block that holds the anchor, in seconds since 1970 UTC
    struct Head {
        bytes32 root;
        uint64 size;
        uint64 seq;
        uint64 anchoredAt;
    }

    /// @notice A log has a new head.
    /// @param logId SHA-256 of the log's origin (the first line of its checkpoints)
    /// @param seq running number of this log's anchors, from 1, without gaps
    /// @param size number of leaves
    /// @param root RFC 6962 root of these leaves
    /// @param prevRoot root of anchor `seq - 1`; zero for the first
    /// @param checkpointHash SHA-256 of the whole signed note, with the cosignatures it carried
    event Anchored(
        bytes32 indexed logId,
        uint64 indexed seq,
        uint64 size,
        bytes32 root,
        bytes32 prevRoot,
        bytes32 checkpointHash
    );

    /// @notice From now on only `submitter` may anchor heads of this log; the zero address closes the log.
    event SubmitterSet(bytes32 indexed logId, address indexed submitter);

    /// @notice `to` may now accept to become the admin in place of `from`.
    event AdminTransferStarted(address indexed from, address indexed to);

    /// @notice The admin changed.
    event AdminTransferred(address indexed from, address indexed to);

    /// @notice Only the admin may do this.
    error NotAdmin(address caller);

    /// @notice Only the address named by `transferAdmin` may accept.
    error NotPendingAdmin(address caller);

    /// @notice Only the submitter set for this log may anchor its heads.
    error NotSubmitter(bytes32 logId, address caller);

    /// @notice The admin cannot be the zero address.
    error AdminIsZero();

    /// @notice A new head must have more leaves than the stored one.
    error SizeNotLarger(uint64 storedSize, uint64 size);

    /// @notice The contract counts up to 2^40 - 1 leaves.
    error SizeTooLarge(uint64 size);

    /// @notice The proof does not show that the new head extends the stored one.
    error NotConsistent(uint64 storedSize, uint64 size);

    /// @notice Stores a new head of a log.
    /// @dev The proof is that of RFC 9162 section 2.1.4.1 from the stored head to the new one, verified as in
    /// section 2.1.4.2. It is empty for the first anchor and never empty afterwards.
    /// @param logId SHA-256 of the log's origin
    /// @param size number of leaves, larger than the stored size
    /// @param root RFC 6962 root of these leaves
    /// @param checkpointHash SHA-256 of the signed note that carries this head
    /// @param proof consistency proof, hashes in the order of the RFC
    function anchor(
        bytes32 logId,
        uint64 size,
        bytes32 root,
        bytes32 checkpointHash,
        bytes32[] calldata proof
    ) external;

    /// @notice Names the only address that may anchor heads of a log. What is anchored stays.
    function setSubmitter(bytes32 logId, address submitter) external;

    /// @notice First step of handing over: `to` must accept. The zero address takes an offer back.
    function transferAdmin(address to) external;

    /// @notice Second step of handing over, by the address that was named.
    function acceptAdmin() external;

    /// @notice Newest head of a log; all zero when there is none.
    function head(bytes32 logId) external view returns (Head memory);

    /// @notice Who may anchor heads of a log; zero when nobody.
    function submitterOf(bytes32 logId) external view returns (address);

    /// @notice Who sets submitters.
    function admin() external view returns (address);

    /// @notice Who may accept to become the admin; zero when nobody.
    function pendingAdmin() external view returns (address);
}
