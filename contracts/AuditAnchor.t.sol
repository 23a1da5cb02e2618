// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AuditAnchor} from './AuditAnchor.sol';
import {IAuditAnchor} from './IAuditAnchor.sol';
import {Tree} from './test/Tree.sol';
import {vm} from './test/Vm.sol';

contract AuditAnchorTest {
    // Any ids will do. keccak256 is an opcode; sha256 is a call and would use up the prank before an anchor.
    bytes32 private constant LOG = keccak256('log.example/audit');
    bytes32 private constant NOTE = keccak256('a signed note');
    address private constant SUBMITTER = address(0x5b);
    uint256 private constant SALT = 7;

    AuditAnchor private _anchor;

    function setUp() public {
        _anchor = new AuditAnchor(address(this));
        _anchor.setSubmitter(LOG, SUBMITTER);
    }

    function test_theFirstHeadIsStoredAndAnnounced() public {
        vm.warp(1_800_000_000);
        bytes32 root = Tree.root(SALT, 0, 3);
        vm.expectEmit(true, true, true, true);
        emit IAuditAnchor.Anchored(LOG, 1, 3, root, bytes32(0), NOTE);
        _submit(3, root, new bytes32[](0));

        IAuditAnchor.Head memory head = _anchor.head(LOG);
        require(head.root == root && head.size == 3 && head.seq == 1, 'head');
        require(head.anchoredAt == 1_800_000_000, 'time');
    }

    function test_aLargerHeadNamesTheRootBefore() public {
        bytes32 first = Tree.root(SALT, 0, 3);
        bytes32 second = Tree.root(SALT, 0, 7);
        _submit(3, first, new bytes32[](0));
        bytes32[] memory proof = Tree.consistency(SALT, 3, 7);
        vm.expectEmit(true, true, true, true);
        emit IAuditAnchor.Anchored(LOG, 2, 7, second, first, NOTE);
        _submit(7, second, proof);
    }

    function test_theFirstHeadNeedsNoProofAndTakesNone() public {
        bytes32 root = Tree.root(SALT, 0, 3);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, 0, 3));
        _submit(3, root, new bytes32[](1));
    }

    function test_anEmptyTreeIsNotAHead() public {
        bytes32 root = sha256('');
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.SizeNotLarger.selector, 0, 0));
        _submit(0, root, new bytes32[](0));
    }

    function test_aHeadOfTheSameOrASmallerSizeIsRefused() public {
        _submit(7, Tree.root(SALT, 0, 7), new bytes32[](0));
        bytes32 smaller = Tree.root(SALT, 0, 3);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.SizeNotLarger.selector, 7, 7));
        _submit(7, smaller, new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.SizeNotLarger.selector, 7, 3));
        _submit(3, smaller, new bytes32[](0));
    }

    function test_aSizeBeyondTheCounterIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.SizeTooLarge.selector, 1 << 40));
        _submit(1 << 40, NOTE, new bytes32[](0));
        _submit((1 << 40) - 1, NOTE, new bytes32[](0));
        require(_anchor.head(LOG).size == (1 << 40) - 1, 'largest');
    }

    function test_withoutAProofNothingLargerIsAccepted() public {
        _submit(4, Tree.root(SALT, 0, 4), new bytes32[](0));
        bytes32 larger = Tree.root(SALT, 0, 8);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, 4, 8));
        _submit(8, larger, new bytes32[](0));
    }

    /// @dev A path that ends below or above the claimed tree's root: the root would be true, its size not.
    function test_aTrueRootUnderAnotherSizeIsRefused() public {
        bytes32[2] memory roots = [Tree.root(SALT, 0, 2), Tree.root(SALT, 0, 4)];
        bytes32[] memory toTwo = Tree.consistency(SALT, 1, 2);
        bytes32[] memory toFour = Tree.consistency(SALT, 1, 4);
        _submit(1, Tree.root(SALT, 0, 1), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, 1, 4));
        _submit(4, roots[0], toTwo);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, 1, 2));
        _submit(2, roots[1], toFour);
    }

    function test_onlyTheSubmitterOfALogAnchorsItsHeads() public {
        bytes32 root = Tree.root(SALT, 0, 3);
        bytes32 other = keccak256('other.example/audit');
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotSubmitter.selector, LOG, address(this)));
        _anchor.anchor(LOG, 3, root, NOTE, new bytes32[](0));
        vm.prank(SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotSubmitter.selector, other, SUBMITTER));
        _anchor.anchor(other, 3, root, NOTE, new bytes32[](0));
    }

    function test_aReplacedSubmitterIsRefusedAndTheHeadStays() public {
        _submit(3, Tree.root(SALT, 0, 3), new bytes32[](0));
        _anchor.setSubmitter(LOG, address(0xbeef));
        require(_anchor.submitterOf(LOG) == address(0xbeef), 'submitter');
        require(_anchor.head(LOG).size == 3, 'head');
        bytes32 root = Tree.root(SALT, 0, 7);
        bytes32[] memory proof = Tree.consistency(SALT, 3, 7);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotSubmitter.selector, LOG, SUBMITTER));
        _submit(7, root, proof);
    }

    function test_logsDoNotTouchEachOther() public {
        bytes32 other = keccak256('other.example/audit');
        _anchor.setSubmitter(other, SUBMITTER);
        _submit(7, Tree.root(SALT, 0, 7), new bytes32[](0));
        require(_anchor.head(other).size == 0, 'untouched');
    }

    function test_onlyTheAdminSetsSubmitters() public {
        vm.prank(SUBMITTER);
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotAdmin.selector, SUBMITTER));
        _anchor.setSubmitter(LOG, SUBMITTER);
    }

    function test_theAdminChangesInTwoSteps() public {
        address next = address(0xad);
        _anchor.transferAdmin(next);
        require(_anchor.admin() == address(this) && _anchor.pendingAdmin() == next, 'first step');
        vm.prank(next);
        _anchor.acceptAdmin();
        require(_anchor.admin() == next && _anchor.pendingAdmin() == address(0), 'second step');
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotAdmin.selector, address(this)));
        _anchor.transferAdmin(address(this));
    }

    function test_nobodyElseAcceptsToBeAdmin() public {
        _anchor.transferAdmin(address(0xad));
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotPendingAdmin.selector, address(this)));
        _anchor.acceptAdmin();
    }

    function test_thereIsNoContractWithoutAnAdmin() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.AdminIsZero.selector));
        new AuditAnchor(address(0));
    }

    function testFuzz_everyConsistentPairIsAccepted(uint256 salt, uint8 m, uint8 more) public {
        (uint64 first, uint64 second) = _sizes(m, more);
        _submit(first, Tree.root(salt, 0, first), new bytes32[](0));
        bytes32 root = Tree.root(salt, 0, second);
        _submit(second, root, Tree.consistency(salt, first, second));
        require(_anchor.head(LOG).size == second, 'size');
    }

    function testFuzz_aFlippedBitAnywhereIsRefused(uint8 m, uint8 more, uint256 where, uint8 bit) public {
        (uint64 first, uint64 second) = _sizes(m, more);
        bytes32 root = Tree.root(SALT, 0, second);
        bytes32[] memory proof = Tree.consistency(SALT, first, second);
        bytes32 flip = bytes32(uint256(1) << bit);
        where %= proof.length + 1;
        if (where == proof.length) root ^= flip;
        else proof[where] ^= flip;
        _refuses(first, second, root, proof);
    }

    function testFuzz_aProofOfAnotherLengthIsRefused(uint8 m, uint8 more, bytes32 extra) public {
        (uint64 first, uint64 second) = _sizes(m, more);
        bytes32 root = Tree.root(SALT, 0, second);
        bytes32[] memory proof = Tree.consistency(SALT, first, second);
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length; ++i) longer[i] = proof[i];
        for (uint256 i = 0; i < shorter.length; ++i) shorter[i] = proof[i];
        longer[proof.length] = extra;
        _refuses(first, second, root, longer);
        // The revert of the refusal above took nothing back that was stored before it.
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, first, second));
        _submit(second, root, shorter);
    }

    function testFuzz_anotherHistoryIsRefused(uint8 m, uint8 more, uint256 otherSalt) public {
        vm.assume(otherSalt != SALT);
        (uint64 first, uint64 second) = _sizes(m, more);
        bytes32 root = Tree.root(otherSalt, 0, second);
        bytes32[] memory proof = Tree.consistency(otherSalt, first, second);
        _refuses(first, second, root, proof);
    }

    /// @dev Sizes up to 1..40 and 2..80: every shape of right edge, at a depth the slow oracle still bears.
    function _sizes(uint8 m, uint8 more) private pure returns (uint64 first, uint64 second) {
        first = 1 + uint64(m % 40);
        second = first + 1 + uint64(more % 40);
    }

    function _refuses(uint64 first, uint64 second, bytes32 root, bytes32[] memory proof) private {
        _submit(first, Tree.root(SALT, 0, first), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(IAuditAnchor.NotConsistent.selector, first, second));
        _submit(second, root, proof);
    }

    function _submit(uint64 size, bytes32 root, bytes32[] memory proof) private {
        vm.prank(SUBMITTER);
        _anchor.anchor(LOG, size, root, NOTE, proof);
    }
}

/// @dev The submitter of the invariant test: sends good heads, smaller ones and heads of another history.
contract Submitter {
    bytes32 public constant LOG = keccak256('log.example/audit');
    AuditAnchor public immutable anchor = new AuditAnchor(address(this));
    uint64 public size;
    uint64 public accepted;

    constructor() {
        anchor.setSubmitter(LOG, address(this));
    }

    function extend(uint8 more) external {
        uint64 next = size + 1 + uint64(more % 8);
        if (next > 256) return;
        anchor.anchor(LOG, next, Tree.root(1, 0, next), bytes32(0), Tree.consistency(1, size, next));
        size = next;
        accepted += 1;
    }

    function rewrite(uint8 more) external {
        uint64 next = size + 1 + uint64(more % 8);
        if (size == 0 || next > 256) return;
        anchor.anchor(LOG, next, Tree.root(2, 0, next), bytes32(0), Tree.consistency(2, size, next));
        accepted += 1;
    }

    function shrink(uint64 to) external {
        if (size == 0) return;
        uint64 next = 1 + (to % size);
        anchor.anchor(LOG, next, Tree.root(1, 0, next), bytes32(0), new bytes32[](0));
        accepted += 1;
    }
}

contract AuditAnchorInvariantTest {
    Submitter private _submitter;

    function setUp() public {
        _submitter = new Submitter();
    }

    /// @dev Whatever was tried, the head is the last true head, and each accepted anchor was counted once.
    function invariant_theHeadIsAlwaysAHeadOfTheOneHistory() public view {
        IAuditAnchor.Head memory head = _submitter.anchor().head(_submitter.LOG());
        require(head.size == _submitter.size(), 'size');
        require(head.seq == _submitter.accepted(), 'seq');
        require(head.size == 0 || head.root == Tree.root(1, 0, head.size), 'root');
    }
}
