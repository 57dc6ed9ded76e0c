"""Coming in, going out, and what a person may set for themselves."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import PASSWORD, Site


def test_a_wrong_password_is_said_at_the_form_and_the_name_stays(site: Site, open_page: Open) -> None:
    page = open_page(who="")
    page.goto("/commands?state=failed")
    page.fill("#name", "admin")
    page.fill("#password", "not the password")
    page.click("main button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("name or password is wrong")
    expect(page.locator("#name")).to_have_value("admin")
    page.fill("#password", PASSWORD)
    page.click("main button[type=submit]")
    expect(page).to_have_url(f"{site.url}/commands?state=failed")


def test_signing_out_ends_the_session(site: Site, open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status").first).to_contain_text("signed out")
    page.goto("/nodes")
    expect(page).to_have_url(f"{site.url}/sign-in?next=%2Fnodes")


def test_the_language_is_switched_before_and_after_signing_in_and_stays_with_the_account(site: Site, open_page: Open) -> None:
    page = open_page(who="", language="zh-CN")
    page.goto("/sign-in")
    expect(page.get_by_role("heading", level=1)).to_have_text("登录")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    page = open_page(language="en-GB")
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("节点")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    elsewhere = open_page(language="en-GB")
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("节点")


def test_a_password_is_changed_only_with_the_old_one_and_a_long_enough_new_one(site: Site, open_page: Open) -> None:
    page = open_page(who="vera")
    page.goto("/account")

    def change(old: str, new: str, again: str) -> None:
        page.fill("#old", old)
        page.fill("#new", new)
        page.fill("#again", again)
        page.get_by_role("button", name="Change the password").click()

    change("wrong", "another long password", "another long password")
    expect(page.locator("#wrong-old")).to_contain_text("wrong")
    change(PASSWORD, "short", "short")
    expect(page.locator("#wrong-new")).to_contain_text("10 characters")
    change(PASSWORD, "another long password", "another long passwort")
    expect(page.locator("#wrong-again")).to_contain_text("not the same")
    change(PASSWORD, "another long password", "another long password")
    expect(page.get_by_role("status").first).to_contain_text("password is changed")


def test_dark_can_be_chosen_against_the_system(site: Site, open_page: Open) -> None:
    page = open_page(dark=False)
    page.goto("/account")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.select_option("#theme", "dark")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
