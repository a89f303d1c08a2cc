//! The table of accounts: the way in, which is open to strangers, and what everybody does with
//! their own.

use crate::table::{Row, row};

pub const ACCOUNTS: &[Row] = &[
    row(
        "Mutation.login",
        "login(email: @email, password: @password) { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.refresh",
        "refresh(refreshToken: @refresh) { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.logout",
        "logout(refreshToken: @refresh) { endedLogins }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.requestEmailVerification",
        "requestEmailVerification(email: @address) { expiresAt retryAfterSeconds }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.confirmEmail",
        "confirmEmail(email: @asked, code: @secret) { verificationToken }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.confirmEmail",
        "confirmEmail(email: @address, code: \"123456\") { verificationToken }",
        "III",
        "III",
        "III",
    )
    .stranger("III"),
    row(
        "Mutation.register",
        "register(input: { fullName: \"Fred Founder\", email: @proven, password: \"wide grey elephants walk\", verificationToken: @secret, organizationName: @unique }) { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.register",
        "register(input: { fullName: \"Fred Founder\", email: @address, password: \"wide grey elephants walk\", verificationToken: \"none\", organizationName: @unique }) { user { id } }",
        "III",
        "III",
        "III",
    )
    .stranger("III"),
    row(
        "Mutation.requestPasswordReset",
        "requestPasswordReset(email: @address) { expiresAt }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.resetPassword",
        "resetPassword(email: @forgetful, code: @secret, newPassword: \"wide grey elephants walk\") { endedLogins }",
        "vvv",
        "vvv",
        "vvv",
    )
    .stranger("vvv"),
    row(
        "Mutation.resetPassword",
        "resetPassword(email: @address, code: \"123456\", newPassword: \"wide grey elephants walk\") { endedLogins }",
        "III",
        "III",
        "III",
    )
    .stranger("III"),
    row(
        "Mutation.logoutEverywhere",
        "logoutEverywhere { endedLogins }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.changePassword",
        "changePassword(currentPassword: @mine, newPassword: \"wide grey elephants walk\") { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.changePassword",
        "changePassword(currentPassword: \"wrong\", newPassword: \"wide grey elephants walk\") { user { id } }",
        "III",
        "III",
        "III",
    ),
    row(
        "Mutation.changeEmail",
        "changeEmail(newEmail: @proven, verificationToken: @secret, password: @mine) { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.changeEmail",
        "changeEmail(newEmail: @proven, verificationToken: @secret, password: \"wrong\") { user { id } }",
        "III",
        "III",
        "III",
    ),
    row(
        "Mutation.deleteAccount",
        "deleteAccount(password: @mine) { erasedPhotos }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.deleteAccount",
        "deleteAccount(password: \"wrong\") { erasedPhotos }",
        "III",
        "III",
        "III",
    ),
    row(
        "Mutation.updateMyProfile",
        "updateMyProfile(fullName: \"Somebody Renamed\") { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.updateMySettings",
        "updateMySettings(input: { locale: \"de\" }) { user { id } }",
        "vvv",
        "vvv",
        "vvv",
    ),
    row(
        "Mutation.submitFeedback",
        "submitFeedback(message: \"It works\", rating: 5) { received }",
        "vvv",
        "vvv",
        "vvv",
    ),
];
