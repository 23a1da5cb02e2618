// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev The cheat codes these tests use, at the address where Hardhat's Solidity test runner answers them.
interface Vm {
    function prank(address sender) external;
    function expectRevert(bytes calldata data) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data) external;
    function assume(bool condition) external pure;
    function warp(uint256 timestampSeconds) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256('hevm cheat code')))));
